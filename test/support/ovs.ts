import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { sh } from './host.ts';

const folder = '/run/openvswitch';

/** The kernel's datapath, among the kinds of links that not every kernel has. */
export const OVS_MODULE = 'openvswitch';

export function hasOvsModule(): boolean {
  return existsSync(`/sys/module/${OVS_MODULE}`);
}

/** Open vSwitch of one throw-away host, with a database of its own. */
export interface Ovs {
  /** Every bridge and port, as one text. */
  readonly show: () => string;
  /** Starts its daemons again, with the database as it was. */
  readonly restart: () => void;
  /** Ends its daemons; bridges that are left go with them. */
  readonly stop: () => void;
}

/**
 * Starts ovsdb-server and ovs-vswitchd in the throw-away host that the test runs in, with an empty database. Its /run is
 * its own, so nothing of this machine's Open vSwitch is met.
 */
export function startOvs(): Ovs {
  if (existsSync(`${folder}/db.sock`)) throw new Error('Open vSwitch runs already');
  // A machine's own modules are left alone; those of the guest also bring devices of their own, which must be there first.
  if (process.env['TOPOWEAVE_GUEST'] === '1')
    sh('modprobe', '-a', OVS_MODULE, 'vport_gre', 'vport_vxlan', 'vport_geneve');
  mkdirSync(folder, { recursive: true });
  sh('ovsdb-tool', 'create', `${folder}/conf.db`, '/usr/share/openvswitch/vswitch.ovsschema');
  startDaemons();
  return { show, restart: startDaemons, stop };
}

function startDaemons(): void {
  const options = (name: string) => [
    `--pidfile=${folder}/${name}.pid`,
    '--detach',
    '--no-chdir',
    `--unixctl=${folder}/${name}.ctl`,
    `--log-file=${folder}/${name}.log`,
    '-vconsole:off',
  ];
  sh('ovsdb-server', `${folder}/conf.db`, `--remote=punix:${folder}/db.sock`, ...options('ovsdb-server'));
  sh('ovs-vsctl', '--no-wait', 'init');
  // The kernel leaves checksums of a veth's packets to hardware that is not there: without this, the daemon's datapath
  // passes them on unfinished.
  sh('ovs-vsctl', '--no-wait', 'set', 'Open_vSwitch', '.', 'other_config:userspace-tso-enable=true');
  sh('ovs-vswitchd', `unix:${folder}/db.sock`, ...options('ovs-vswitchd'));
}

function show(): string {
  const tables = ['Bridge', 'Port', 'Interface'].map((table) =>
    sh('ovs-vsctl', '--columns=name,external_ids', 'list', table).trim(),
  );
  return [...tables, sh('ovs-vsctl', '--columns=target', 'list', 'Controller').trim()].join('\n');
}

function stop(): void {
  for (const name of sh('ovs-vsctl', 'list-br').split('\n')) {
    if (name !== '') sh('ovs-vsctl', '--timeout=10', 'del-br', name);
  }
  for (const name of ['ovs-vswitchd', 'ovsdb-server'] as const) endDaemon(name);
  rmSync(folder, { recursive: true, force: true });
}

/** Ends one daemon by its process id, and waits until it is gone. */
export function endDaemon(name: 'ovs-vswitchd' | 'ovsdb-server'): void {
  const pid = Number(readFileSync(`${folder}/${name}.pid`, 'utf8'));
  process.kill(pid, 'SIGTERM');
  for (let attempt = 0; runs(pid); attempt += 1) {
    if (attempt > 100) throw new Error(`${name} does not end`);
    sh('sleep', '0.05');
  }
}

/** One that nobody has waited for is there still, as a zombie. */
function runs(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
