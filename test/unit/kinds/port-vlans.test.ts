import fc from 'fast-check';
import { expect, test } from 'vitest';
import { losesVlan, vlanCommands } from '../../../src/kinds/port-vlans.ts';
import type { LiveResource, Resource } from '../../../src/kinds/resource.ts';

function port(vlans: readonly string[] | undefined, initial = 1): Resource {
  return {
    kind: 'veth',
    id: 'gw/p1',
    namespace: 'gw',
    label: 'p1',
    attributes: { 'vlan-default': initial, ...(vlans === undefined ? {} : { vlans }) },
  };
}

const live = (vlans: readonly string[] | undefined): LiveResource => ({ ...port(vlans), owner: 'ours' });

function lines(wanted: readonly string[], before?: readonly string[] | 'new'): string[] {
  const commands = vlanCommands(port(wanted), before === 'new' ? undefined : live(before));
  return commands.map((command) => ('args' in command ? command.args.slice(1).join(' ') : ''));
}

test('a new port leaves the VLAN that the kernel gave it, last of all', () => {
  expect(lines(['10 pvid untagged', '20-30'], 'new')).toEqual([
    'add dev p1 vid 10 pvid untagged',
    'add dev p1 vid 20-30',
    'del dev p1 vid 1',
  ]);
  expect(lines(['1 pvid untagged'], 'new')).toEqual([]);
  expect(lines([], 'new')).toEqual(['del dev p1 vid 1']);
});

test('only what differs is changed, as ranges', () => {
  expect(lines(['10-20'], ['10-20'])).toEqual([]);
  expect(lines(['10-20'], ['12-25'])).toEqual(['add dev p1 vid 10-11', 'del dev p1 vid 21-25']);
  expect(lines(['10', '11 pvid untagged'], ['10 pvid untagged', '11'])).toEqual([
    'add dev p1 vid 10',
    'add dev p1 vid 11 pvid untagged',
  ]);
});

test('the bridge itself is meant by a word of its own', () => {
  const bridge = { ...port(['5 pvid untagged']), kind: 'bridge', label: 'br0' };
  expect(vlanCommands(bridge, live(['5'])).map((command) => 'args' in command && command.args)).toEqual([
    ['vlan', 'add', 'dev', 'br0', 'self', 'vid', '5', 'pvid', 'untagged'],
  ]);
});

test('a VLAN that stays is no disruption', () => {
  expect(losesVlan(port(['10-20']), live(['11-12']))).toBe(false);
  expect(losesVlan(port(['10-20']), live(['9-12']))).toBe(true);
  expect(losesVlan(port(['10']), live(['10 untagged']))).toBe(true);
});

/** Performs the lines on a map of VLANs, as the kernel does: one pvid, flags replaced. */
function perform(commands: readonly string[], start: ReadonlyMap<number, string>): Map<number, string> {
  const vlans = new Map(start);
  for (const line of commands) {
    const [verb, , , , range = '', ...flags] = line.split(' ');
    const [first = 0, last = first] = range.split('-').map(Number);
    for (let vlan = first; vlan <= last; vlan += 1) {
      if (verb === 'del') vlans.delete(vlan);
      else {
        if (flags.includes('pvid'))
          for (const [other, words] of vlans) vlans.set(other, words.replace(/^pvid ?/, ''));
        vlans.set(vlan, flags.join(' '));
      }
    }
  }
  return vlans;
}

test('from any list to any other', () => {
  const flags = fc.constantFrom('', 'untagged', 'pvid untagged');
  const list = fc.array(fc.tuple(fc.integer({ min: 1, max: 12 }), flags), { maxLength: 8 }).map((entries) => {
    const vlans = new Map(entries);
    const native = entries.find(([, words]) => words.startsWith('pvid'))?.[0];
    return [...vlans].map(([vlan, words]): [number, string] => [
      vlan,
      words.startsWith('pvid') && vlan !== native ? 'untagged' : words,
    ]);
  });
  const text = (entries: readonly (readonly [number, string])[]) =>
    entries.map(([vlan, words]) => `${vlan} ${words}`.trim()).sort();
  fc.assert(
    fc.property(list, list, (before, wanted) => {
      const after = perform(lines(text(wanted), text(before)), new Map(before));
      expect(text([...after])).toEqual(text(wanted));
    }),
  );
});
