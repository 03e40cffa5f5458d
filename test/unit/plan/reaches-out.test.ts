import { expect, test } from 'vitest';
import type { LiveResource } from '../../../src/kinds/resource.ts';
import { planBetween } from '../../../src/plan/plan.ts';

function namespace(name: string): LiveResource {
  return { kind: 'namespace', id: name, namespace: name, label: 'namespace', attributes: {}, owner: 'ours' };
}

function device(kind: string, name: string, link: string): LiveResource {
  const attributes = { state: 'up', link };
  return { kind, id: `${name}/top`, namespace: name, label: 'top', attributes, owner: 'ours' };
}

function commandsOf(...live: readonly LiveResource[]): string[][] {
  const { batches } = planBetween({ lab: 'stay', desired: [], live });
  return batches.flatMap(({ commands }) =>
    commands.map(({ command }) => [
      command.namespace ?? 'host',
      ...(command.tool === 'ip' ? command.args : [command.tool]),
    ]),
  );
}

const gone = ['host', 'netns', 'del', 'a'];
const removed = ['a', 'link', 'del', 'dev', 'top'];

test.for(['macvlan', 'macvtap', 'ipvlan', 'vlan'])(
  'a %s on what stays is removed before its namespace',
  (kind) => {
    expect(commandsOf(namespace('a'), device(kind, 'a', 'host/card0'))).toEqual([removed, gone]);
    // Nobody knows what is below: it may stay.
    expect(commandsOf(namespace('a'), device(kind, 'a', 'unknown'))).toEqual([removed, gone]);
  },
);

test.for(['macvlan', 'vlan'])('a %s on what goes, too, takes no command', (kind) => {
  expect(commandsOf(namespace('a'), device(kind, 'a', 'a/eth0'))).toEqual([gone]);
  expect(commandsOf(namespace('a'), namespace('b'), device(kind, 'a', 'b/eth0'))).not.toContainEqual(removed);
});
