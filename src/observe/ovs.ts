import { existsSync } from 'node:fs';
import { ovsSocket, runOvs, vsctl } from '../engine/ovs.ts';
import { UnavailableError } from '../lib/errors.ts';
import { HOST } from '../topology/model.ts';
import type { IpLink, LiveNamespace } from './live.ts';

/** The key in external_ids of a bridge or a port that says whose it is. */
export const OVS_LAB = 'topoweave-lab';

/** The database of Open vSwitch, as far as topoweave reads it; ovs-vswitchd.conf.db(5). */
export interface LiveOvs {
  readonly bridges: readonly OvsBridgeRow[];
  /** Where a new bridge forwards: in the kernel, or in the daemon where the kernel cannot. undefined: nobody asked. */
  readonly datapath: 'system' | 'netdev' | undefined;
}

export interface OvsBridgeRow {
  readonly name: string;
  /** The lab that marked it. */
  readonly lab: string | undefined;
  readonly datapathType: string;
  readonly failMode: string;
  readonly controllers: readonly string[];
  readonly protocols: readonly string[];
  readonly stp: boolean;
  readonly rstp: boolean;
  readonly mcastSnooping: boolean;
  readonly otherConfig: Readonly<Record<string, string>>;
  readonly ports: readonly OvsPortRow[];
}

export interface OvsPortRow {
  readonly name: string;
  readonly lab: string | undefined;
  readonly tag: number | undefined;
  readonly trunks: readonly number[];
  readonly vlanMode: string;
  readonly bondMode: string;
  readonly lacp: string;
  readonly interfaces: readonly OvsInterfaceRow[];
}

export interface OvsInterfaceRow {
  readonly name: string;
  readonly type: string;
  readonly options: Readonly<Record<string, string>>;
}

const columns = {
  Bridge: [
    ...['_uuid', 'name', 'datapath_type', 'fail_mode', 'controller', 'protocols'],
    ...['stp_enable', 'rstp_enable', 'mcast_snooping_enable'],
    ...['other_config', 'external_ids', 'ports'],
  ],
  Port: [
    ...['_uuid', 'name', 'interfaces', 'tag', 'trunks', 'vlan_mode', 'bond_mode', 'lacp', 'external_ids'],
  ],
  Interface: ['_uuid', 'name', 'type', 'options'],
  Controller: ['_uuid', 'target'],
} as const;

/**
 * Reads the bridges of Open vSwitch in one process. Where nothing is wanted of it and its database has no socket, none is
 * started; undefined where it cannot be read.
 *
 * @throws UnavailableError when it is wanted and its programs are not installed.
 */
export async function readOvs(isWanted: boolean): Promise<LiveOvs | undefined> {
  if (!existsSync(ovsSocket())) return undefined;
  try {
    const [tables, datapath] = await Promise.all([
      vsctl([
        '--format=json',
        ...Object.entries(columns).flatMap(([table, names]) => [
          '--',
          `--columns=${names.join(',')}`,
          'list',
          table,
        ]),
      ]),
      isWanted ? findDatapath() : undefined,
    ]);
    if (tables.code !== 0) return undefined;
    return { bridges: parseOvs(tables.stdout), datapath };
  } catch (error) {
    if (!isWanted && error instanceof UnavailableError) return undefined;
    throw error;
  }
}

/** A kernel that has the datapath as a module shows it; of one that has it built in, its own program tells. */
async function findDatapath(): Promise<'system' | 'netdev'> {
  if (existsSync('/sys/module/openvswitch')) return 'system';
  const { code } = await runOvs('ovs-dpctl', ['dump-dps']);
  return code === 0 ? 'system' : 'netdev';
}

type Row = Readonly<Record<string, unknown>>;

/** The output of `ovs-vsctl --format=json list`: one table in each line, as columns in RFC 7047's notation. */
export function parseOvs(stdout: string): OvsBridgeRow[] {
  const [bridges = [], ports = [], interfaces = [], controllers = []] = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(parseTable);
  const byUuid = new Map(
    [...ports, ...interfaces, ...controllers].map((row): [string, Row] => [uuidOf(row['_uuid']), row]),
  );
  const rowsOf = (value: unknown): Row[] =>
    setOf(value).flatMap((uuid): Row[] => {
      const row = byUuid.get(uuidOf(uuid));
      return row === undefined ? [] : [row];
    });
  const toPort = (row: Row): OvsPortRow => {
    const tag = setOf(row['tag'])[0];
    return {
      name: textOf(row['name']),
      lab: mapOf(row['external_ids'])[OVS_LAB],
      tag: typeof tag === 'number' ? tag : undefined,
      trunks: setOf(row['trunks']).map(Number),
      vlanMode: textOf(row['vlan_mode']),
      bondMode: textOf(row['bond_mode']),
      lacp: textOf(row['lacp']),
      interfaces: rowsOf(row['interfaces']).map((item) => ({
        name: textOf(item['name']),
        type: textOf(item['type']),
        options: mapOf(item['options']),
      })),
    };
  };
  return bridges.map((row) => ({
    name: textOf(row['name']),
    lab: mapOf(row['external_ids'])[OVS_LAB],
    datapathType: textOf(row['datapath_type']) || 'system',
    failMode: textOf(row['fail_mode']),
    controllers: rowsOf(row['controller']).map(({ target }) => textOf(target)),
    protocols: setOf(row['protocols']).map(String),
    stp: row['stp_enable'] === true,
    rstp: row['rstp_enable'] === true,
    mcastSnooping: row['mcast_snooping_enable'] === true,
    otherConfig: mapOf(row['other_config']),
    ports: rowsOf(row['ports']).map(toPort),
  }));
}

function parseTable(line: string): Row[] {
  // A border: the shape is ovs-vsctl's.
  const { headings, data } = JSON.parse(line) as { headings: string[]; data: unknown[][] };
  return data.map((values) => Object.fromEntries(headings.map((name, index) => [name, values[index]])));
}

/** A set of one value is written as the value (RFC 7047, 5.1). */
function setOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value) && value[0] === 'set') return value[1] as unknown[];
  return value === undefined ? [] : [value];
}

function mapOf(value: unknown): Record<string, string> {
  const entries = Array.isArray(value) && value[0] === 'map' ? (value[1] as [string, string][]) : [];
  return Object.fromEntries(entries);
}

function textOf(value: unknown): string {
  const [first] = setOf(value);
  return typeof first === 'string' ? first : '';
}

function uuidOf(value: unknown): string {
  return Array.isArray(value) ? String(value[1]) : '';
}

/**
 * The host's links as Open vSwitch means them. The interface of a bridge or of an internal port is of the kernel's kind
 * openvswitch with the kernel's datapath, and a tap device with the daemon's: both are called by what they are for. A
 * port has ovs-system as its master with the kernel's datapath and none with the daemon's: both get the bridge's name.
 */
export function withOvs(host: LiveNamespace, { bridges }: LiveOvs): LiveNamespace {
  const facts = new Map<string, Partial<IpLink>>();
  for (const bridge of bridges) {
    for (const port of bridge.ports) {
      for (const { name, type } of port.interfaces) {
        if (type !== 'internal') facts.set(name, { ovsBridge: bridge.name });
        else if (name === bridge.name) facts.set(name, madeByOvs('ovs-bridge', bridge.lab));
        else facts.set(name, { ...madeByOvs('ovs-internal', port.lab), ovsBridge: bridge.name });
      }
    }
  }
  if (facts.size === 0) return host;
  const links = host.links.map((link) => {
    const fact = facts.get(link.ifname);
    if (fact === undefined) return link;
    const { master, ...rest } = link;
    return master === undefined || master === 'ovs-system' ? { ...rest, ...fact } : { ...link, ...fact };
  });
  return { ...host, links };
}

function madeByOvs(kind: string, lab: string | undefined): Partial<IpLink> {
  return { linkinfo: { info_kind: kind }, ...(lab === undefined ? {} : { ovsLab: lab }) };
}

/** Adds what Open vSwitch says to the namespaces that were read. */
export async function addOvs(
  namespaces: ReadonlyMap<string, LiveNamespace>,
  isWanted: boolean,
): Promise<{ namespaces: ReadonlyMap<string, LiveNamespace>; ovs?: LiveOvs }> {
  const ovs = await readOvs(isWanted);
  const host = namespaces.get(HOST);
  if (ovs === undefined || host === undefined) return { namespaces };
  return { namespaces: new Map([...namespaces, [HOST, withOvs(host, ovs)]]), ovs };
}
