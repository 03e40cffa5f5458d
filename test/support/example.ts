import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, onTestFailed, onTestFinished, test } from 'vitest';
import { disciplinesOf } from '../../src/kinds/discipline-needs.ts';
import { kernelFeatures, kernelNeeds } from '../../src/kinds/interface.ts';
import '../../src/kinds/registry.ts';
import { loadText } from '../../src/loader/load.ts';
import { lower } from '../../src/plan/plan.ts';
import { dump, expectCode, ip, namespaces, sh, topoweave } from './host.ts';
import { OVS_MODULE, startOvs } from './ovs.ts';

/**
 * The kinds of links, and their features, in a file that not every kernel has; the kernel tier runs the files whose kinds
 * its kernel has, the guest tier all others.
 */
export async function neededKinds(file: string): Promise<string[]> {
  const { topology } = await loadText(file, readFileSync(file, 'utf8'));
  const kinds = new Set((topology?.interfaces ?? []).map(({ kind }) => kind));
  const resources = topology === undefined ? [] : lower(topology);
  const features = kernelFeatures.filter(({ isNeeded }) => resources.some(isNeeded));
  const disciplines = resources.flatMap(disciplinesOf);
  const hasDatapath = topology?.interfaces.some(
    (item) => item.kind === 'ovs-bridge' && item.datapath === 'system',
  );
  return [
    ...[...kinds].filter((kind): boolean => kernelNeeds.has(kind)),
    ...features.map(({ name }) => name),
    ...new Set(disciplines),
    ...(hasDatapath === true ? [OVS_MODULE] : []),
  ];
}

/** Whether there are users beside root: in a throw-away host that an ordinary user made there are none. */
export const hasUsers = !/^\s*0\s+\d+\s+1\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));

export async function needsUsers(file: string): Promise<boolean> {
  const { topology } = await loadText(file, readFileSync(file, 'utf8'));
  const services = topology?.namespaces.flatMap((namespace) => namespace.services ?? []) ?? [];
  return services.some(({ user, owner }) => (user ?? owner) !== undefined);
}

/** What a machine has that an example is about, as lines of ip. */
const machines: Readonly<Record<string, readonly string[]>> = {
  'uplink-bridge.yaml': [
    'link set eth0 up',
    'address add 192.0.2.10/24 brd + dev eth0',
    'route add default via 192.0.2.1',
  ],
  'network-adopt.yaml': [
    'link add br0 address 02:00:00:00:00:10 type bridge',
    'link set br0 up',
    'link set eth0 master br0 up',
    'address add 192.0.2.10/24 brd + dev br0',
    'route add default via 192.0.2.1',
  ],
};

/** Makes it, with a namespace that stands for the world outside; gives what takes it away, and the namespaces. */
function prepare(file: string): { readonly remains: readonly string[]; readonly remove: () => void } {
  const lines = machines[basename(file)];
  if (lines === undefined) return { remains: [], remove: () => {} };
  sh('ip', 'netns', 'add', 'outside');
  ip('host', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'outside');
  for (const line of ['address add 192.0.2.1/24 dev eth0', 'link set eth0 up'])
    ip('outside', ...line.split(' '));
  for (const line of lines) ip('host', ...line.split(' '));
  sh('sleep', '2.2');
  const remove = () => {
    // The kernel takes the namespace apart later, and the card with it.
    ip('host', 'link', 'del', 'eth0');
    sh('ip', 'netns', 'del', 'outside');
    if (lines.some((line) => line.startsWith('link add br0'))) ip('host', 'link', 'del', 'br0');
  };
  return { remains: ['outside'], remove };
}

/** The promise that every example keeps: it applies, works, plans empty, and leaves the machine as it was. */
export function testExample(file: string): void {
  test(`${basename(file)} applies, checks, plans empty and destroys clean`, async () => {
    const ovs = (await usesOvs(file)) ? startOvs() : undefined;
    // What a failing example leaves must not fail the next ones too.
    onTestFailed(async () => {
      await topoweave('destroy', '--all');
    });
    onTestFinished(() => ovs?.stop());
    const database = ovs?.show();
    const { remains, remove } = prepare(file);
    const before = dump();
    await expectCode(0, 'validate', file);
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    // A machine that is emulated, or busy, may be late for the time that a check has by default.
    const first = await topoweave('check', file);
    const check = first.code === 0 ? first : await expectCode(0, 'check', file);
    expect(check.stdout).toMatch(/checks?: \d+ passed/);
    // Duplicate address detection takes about two seconds; bridges have learned addresses from the checks by now.
    sh('sleep', '2.2');
    const second = await expectCode(0, 'plan', '--detailed-exitcode', file);
    expect(second.stdout).toContain('No changes');
    const again = await expectCode(0, 'apply', file);
    expect(again.stdout).toContain('No changes');
    await expectCode(0, 'destroy', file);
    expect(namespaces()).toEqual(remains);
    expect(dump()).toBe(before);
    expect(ovs?.show()).toBe(database);
    remove();
  });
}

async function usesOvs(file: string): Promise<boolean> {
  const { topology } = await loadText(file, readFileSync(file, 'utf8'));
  return topology?.interfaces.some(({ kind }) => kind === 'ovs-bridge') === true;
}
