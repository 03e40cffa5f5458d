import { readFileSync, readlinkSync } from 'node:fs';
import { ovsFolder, ovsSocket } from '../engine/ovs.ts';
import { UnavailableError } from '../lib/errors.ts';
import type { Live } from '../observe/live.ts';
import type { Plan } from '../plan/step.ts';
import { findProgram } from '../system/find-program.ts';
import type { LabRecord } from '../system/record.ts';
import { missingProgram } from '../system/run.ts';
import type { OvsBridge, Topology } from '../topology/model.ts';
import { rememberFilledIn } from './filled-in.ts';

const kinds: ReadonlySet<string> = new Set(['ovs-bridge', 'ovs-internal', 'ovs-port']);

export function hasOvs(topology: Topology | undefined): boolean {
  return topology?.interfaces.some(({ kind }) => kind === 'ovs-bridge') === true;
}

const filledIn = rememberFilledIn();

/**
 * The topology with the datapath of each Open vSwitch bridge: where the file leaves it open, a bridge keeps the one that
 * it has, and a new one gets the kernel's, or the daemon's where the kernel has none.
 */
export function withDatapath(topology: Topology, { ovs }: Live): Topology {
  const isOpen = (item: Topology['interfaces'][number]): item is OvsBridge =>
    item.kind === 'ovs-bridge' && item.datapath === undefined;
  if (ovs === undefined || !topology.interfaces.some(isOpen)) return topology;
  const datapathOf = ({ name }: OvsBridge): OvsBridge['datapath'] => {
    const row = ovs.bridges.find((bridge) => bridge.name === name && bridge.lab === topology.name);
    if (row === undefined) return ovs.datapath;
    return row.datapathType === 'netdev' ? 'netdev' : 'system';
  };
  const key = topology.interfaces.map((item) => (isOpen(item) ? datapathOf(item) : '')).join();
  return filledIn(topology, key, () => ({
    ...topology,
    interfaces: topology.interfaces.map((item) =>
      isOpen(item) ? { ...item, datapath: datapathOf(item) } : item,
    ),
  }));
}

/** Whether a record must remember that the lab has something in the database of Open vSwitch. */
export function plansOvs({ desired }: Plan): boolean {
  return desired.some(({ kind }) => kinds.has(kind));
}

/**
 * Open vSwitch must answer before anything is touched, where a plan changes something of it or where the lab has left
 * something there.
 *
 * @throws UnavailableError saying what to install or to start.
 */
export function requireOvs(plan: Plan, { ovs }: Live, record: LabRecord): void {
  const isNeeded = record.ovs === true || plan.steps.some(({ kind }) => kinds.has(kind));
  if (!isNeeded) return;
  if (findProgram('ovs-vsctl') === undefined) throw missingProgram('ovs-vsctl');
  if (ovs === undefined) {
    throw new UnavailableError(
      'ovs',
      `Open vSwitch does not answer at ${ovsSocket()}; nothing was changed`,
      'start it: systemctl start openvswitch-switch',
    );
  }
  const problem = daemonProblem();
  if (problem !== undefined)
    throw new UnavailableError('ovs', `${problem}; nothing was changed`, problemHelp);
  const wantsKernel = plan.steps.some(
    ({ kind, action, after }) =>
      kind === 'ovs-bridge' &&
      (action === 'create' || action === 'replace') &&
      after?.['datapath-type'] === 'system',
  );
  if (!wantsKernel || ovs.datapath !== 'netdev') return;
  throw new UnavailableError(
    'ovs',
    'this kernel has no datapath of Open vSwitch; nothing was changed',
    'load its module and start ovs-vswitchd again (modprobe openvswitch), or use datapath-type: netdev',
  );
}

const problemHelp =
  'start it in the network namespace that topoweave runs in: systemctl start openvswitch-switch';

/** What is wrong with ovs-vswitchd, as the file with its process id tells; it removes the file when it ends. */
export function daemonProblem(): string | undefined {
  const file = `${ovsFolder()}/ovs-vswitchd.pid`;
  let pid: string;
  try {
    pid = readFileSync(file, 'utf8').trim();
  } catch {
    return `ovs-vswitchd does not run: there is no ${file}`;
  }
  if (!/^[0-9]+$/.test(pid)) return `${file} holds no process id`;
  try {
    const [theirs, ours] = [pid, 'self'].map((process) => readlinkSync(`/proc/${process}/ns/net`));
    return theirs === ours ? undefined : 'ovs-vswitchd runs in another network namespace';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'ovs-vswitchd does not run' : undefined;
  }
}
