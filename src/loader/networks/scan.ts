import type { TopologyFile } from '../../generated/topology-file.ts';
import { parseCidr, parseIp } from '../../lib/ip.ts';
import { listNamespaces } from '../normalize/namespaces.ts';

/** What the rest of the file says that networks and pools must not say again. */
export interface Scan {
  /** Every address that the file gives to an interface, or leaves to a DHCP server. */
  readonly fixed: Set<bigint>;
  /** The names of interfaces, by namespace. */
  readonly names: Map<string, Set<string>>;
  /** `NAMESPACE:INTERFACE` of the ports of bridges and the members of bonds, which have no addresses of their own. */
  readonly ports: ReadonlySet<string>;
}

/** Looks at whatever has the form; what is wrong in it is told elsewhere. */
export function scanFile(data: TopologyFile): Scan {
  const scan: Scan & { readonly ports: Set<string> } = {
    fixed: new Set(),
    names: new Map(),
    ports: new Set(),
  };
  for (const [name, bridge] of Object.entries(data.bridges ?? {})) scanBridge(scan, name, bridge);
  for (const link of data.links ?? []) scanEnds(scan, 'endpoints' in link ? link.endpoints : link);
  for (const [name, { endpoints }] of Object.entries(data.tunnels ?? {})) {
    for (const [namespace, settings] of entriesOf(endpoints)) addInterface(scan, namespace, name, settings);
  }
  for (const { name: namespace, raw } of listNamespaces(data)) {
    for (const [name, device] of entriesOf(raw.interfaces)) {
      addInterface(scan, namespace, name, device);
      if (isMap(device) && device['type'] === 'bond')
        for (const [member] of entriesOf(device['members'])) scan.ports.add(`${namespace}:${member}`);
    }
  }
  return scan;
}

export function addFixed({ fixed }: Pick<Scan, 'fixed'>, addresses: unknown): void {
  for (const entry of Array.isArray(addresses) ? addresses : [addresses]) {
    const text: unknown = isMap(entry) ? entry['address'] : entry;
    const ip = typeof text === 'string' ? (parseIp(text) ?? parseCidr(text)) : undefined;
    if (ip !== undefined) fixed.add(ip.value);
  }
}

export function addName({ names }: Pick<Scan, 'names'>, namespace: string, name: string): void {
  const known = names.get(namespace);
  if (known === undefined) names.set(namespace, new Set([name]));
  else known.add(name);
}

type Open = Scan & { readonly ports: Set<string> };

function scanBridge(scan: Open, name: string, bridge: unknown): void {
  const raw = isMap(bridge) ? bridge : {};
  const namespace = typeof raw['namespace'] === 'string' ? raw['namespace'] : 'host';
  addInterface(scan, namespace, name, raw);
  scanEnds(scan, raw['ports']);
  addRange(scan, isMap(raw['dhcp']) ? raw['dhcp']['range'] : undefined);
  for (const [port, settings] of entriesOf(raw['internal'])) addInterface(scan, namespace, port, settings);
  for (const [member] of entriesOf(raw['members'])) scan.ports.add(`${namespace}:${member}`);
  for (const [, bond] of entriesOf(raw['bonds'])) {
    for (const [member] of entriesOf(isMap(bond) ? bond['members'] : undefined))
      scan.ports.add(`${namespace}:${member}`);
  }
}

/** What a DHCP server gives out. Of more addresses than anybody has clients, the first ones are enough. */
const MAX_RANGE = 1n << 16n;

function addRange({ fixed }: Open, range: unknown): void {
  const [first, last] = typeof range === 'string' ? range.split('-').map((text) => parseIp(text.trim())) : [];
  if (first?.family !== 4 || last?.family !== 4) return;
  const end = last.value - first.value < MAX_RANGE ? last.value : first.value + MAX_RANGE - 1n;
  for (let value = first.value; value <= end; value += 1n) fixed.add(value);
}

function scanEnds(scan: Open, ends: unknown): void {
  for (const [text, settings] of entriesOf(ends)) {
    const colon = text.indexOf(':');
    if (colon > 0) addInterface(scan, text.slice(0, colon), text.slice(colon + 1), settings);
  }
}

function addInterface(scan: Open, namespace: string, name: string, settings: unknown): void {
  addName(scan, namespace, name);
  addFixed(scan, isMap(settings) ? settings['addresses'] : settings);
}

/** A list of names is short for a map to nothing. */
function entriesOf(value: unknown): [string, unknown][] {
  if (Array.isArray(value)) return value.map((name) => [String(name), null]);
  return isMap(value) ? Object.entries(value) : [];
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
