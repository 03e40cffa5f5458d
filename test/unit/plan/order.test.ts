import { describe, expect, test } from 'vitest';
import type { Command } from '../../../src/kinds/resource.ts';
import { makeBatches, makeNode, type Node, sortNodes } from '../../../src/plan/order.ts';
import type { Step } from '../../../src/plan/step.ts';

function ip(namespace: string | undefined, ...args: string[]): Command {
  return { tool: 'ip', namespace, args };
}

function node(resource: string, making: readonly Command[] = [], after: readonly Node[] = []): Node {
  const step: Step = {
    id: `create ${resource}`,
    action: 'create',
    kind: 'namespace',
    resource,
    namespace: resource,
    label: resource,
    before: undefined,
    after: {},
    changes: [],
    reason: 'missing',
    place: undefined,
    disrupts: undefined,
    removal: [],
    making,
  };
  return Object.assign(makeNode('make', step), { after });
}

describe('sortNodes', () => {
  test('keeps the given order where nothing says otherwise', () => {
    const c = node('c');
    const [a, b] = [node('a', [], [c]), node('b')];
    expect(sortNodes([a, b, c])).toEqual([c, a, b]);
  });

  test('takes a chain that is deeper than the stack of calls', () => {
    const first = node('n0');
    const nodes = [first];
    for (let index = 1; index < 50_000; index += 1) nodes.push(node(`n${index}`, [], nodes.slice(-1)));
    const sorted = sortNodes([...nodes].reverse());
    expect(sorted[0]).toBe(first);
    expect(sorted).toHaveLength(nodes.length);
  });

  test('names the way into a cycle', () => {
    const [a, b] = [node('a'), node('b')];
    a.after = [b];
    b.after = [a];
    expect(() => sortNodes([a, b])).toThrow('cycle of steps: make a -> make b -> make a');
  });
});

describe('makeBatches', () => {
  test('a command comes a layer after what another program makes, and with what its own makes', () => {
    const outside = node('gw', [ip(undefined, 'netns', 'add', 'gw')]);
    const link = node('gw/lan', [ip('gw', 'link', 'add', 'name', 'lan')], [outside]);
    const address = node('gw/lan/a', [ip('gw', 'address', 'add', 'a')], [link]);
    const batches = makeBatches(sortNodes([outside, link, address]));
    expect(batches.map(({ layer, namespace, commands }) => [layer, namespace, commands.length])).toEqual([
      [0, 'host', 1],
      [1, 'gw', 2],
    ]);
  });

  test('later commands of a node go behind its first one in another namespace', () => {
    const pair = node('gw/eth0', [ip(undefined, 'link', 'add'), ip('gw', 'link', 'set'), ip(undefined, 'x')]);
    const passing = node('nothing', [], [pair]);
    const last = node('z', [ip('gw', 'route', 'add')], [passing]);
    const batches = makeBatches(sortNodes([last, pair, passing]));
    expect(batches.map(({ layer, namespace, commands }) => [layer, namespace, commands.length])).toEqual([
      [0, 'host', 1],
      [1, 'gw', 2],
      [2, 'host', 1],
    ]);
  });
});
