import { expect, test } from 'vitest';
import { asWritten, removeTogether } from '../../../src/engine/link-removal.ts';
import type { Command } from '../../../src/kinds/resource.ts';
import type { Batch, Step } from '../../../src/plan/step.ts';

const entry = (line: string, kind = 'veth', namespace?: string) => ({
  command: { tool: 'ip', namespace, args: line.split(' ') } as Command,
  step: { kind, resource: line } as Step,
});
const batchOf = (...commands: Batch['commands']): Batch => ({
  layer: 0,
  tool: 'ip',
  namespace: 'host',
  commands,
});
const linesOf = ({ commands }: Batch) =>
  commands.map(({ command }) => (command.tool === 'ip' ? command.args.join(' ') : ''));
const removals = (count: number, namespace?: string) =>
  Array.from({ length: count }, (_, index) => entry(`link del dev v${index}`, 'veth', namespace));

test('a run of veth removals becomes a group, and nothing else does', () => {
  const batch = removeTogether(
    batchOf(entry('link del dev br0', 'bridge'), ...removals(4), entry('link del dev vx', 'vxlan')),
  );
  const [first, ...lines] = linesOf(batch);
  const last = lines.pop();
  expect([first, last]).toEqual(['link del dev br0', 'link del dev vx']);
  const group = /^link del group (\d+)$/.exec(lines.pop() ?? '')?.[1] ?? '';
  // 0x75……: no group of a lab.
  expect(Number(group) >>> 24).toBe(0x75);
  expect(lines).toEqual([0, 1, 2, 3].map((index) => `link set dev v${index} group ${group}`));
});

test.each([
  { says: 'few', batch: batchOf(...removals(3)) },
  { says: 'others between', batch: batchOf(...removals(3), entry('link set dev x down'), ...removals(3)) },
  { says: 'two namespaces', batch: batchOf(...removals(3, 'a'), ...removals(3, 'b')) },
  {
    says: 'another kind',
    batch: batchOf(...Array.from({ length: 9 }, () => entry('link del dev b', 'bridge'))),
  },
])('$says: as they are', ({ batch }) => {
  expect(removeTogether(batch)).toBe(batch);
});

test('what fails is told in the words of the plan', () => {
  const original = removals(5);
  const { commands } = removeTogether(batchOf(...original));
  for (const [index, { command, step }] of commands.entries()) {
    const { failure } = asWritten({ outcome: 'failed', failure: { step, command, message: 'no' } });
    expect(failure?.command).toBe(original[Math.min(index, 4)]?.command);
  }
  const other = { step: {} as Step, command: undefined, message: 'no' };
  expect(asWritten({ outcome: 'failed', failure: other })).toEqual({ outcome: 'failed', failure: other });
  expect(asWritten({ outcome: 'done' })).toEqual({ outcome: 'done' });
});
