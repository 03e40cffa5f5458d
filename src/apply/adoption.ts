import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import type { LiveResource, Resource } from '../kinds/resource.ts';
import { append } from '../lib/collections.ts';
import type { Live } from '../observe/live.ts';
import type { Conflict } from '../plan/step.ts';
import type { LabRecord } from '../system/record.ts';
import { type Adopted, bridgeOf, HOST, type Topology } from '../topology/model.ts';

interface Subject {
  readonly topology: Topology;
  readonly live: Live;
  readonly record: LabRecord;
  readonly desired: readonly Resource[];
  /** The live resources that the plan was made from. */
  readonly found: readonly LiveResource[];
}

/** Why interfaces that the file adopts cannot be taken; those that are the lab's already are not looked at again. */
export function adoptionConflicts(subject: Subject): Conflict[] {
  const { topology, record } = subject;
  return topology.interfaces
    .filter((item) => item.kind === 'adopted')
    .filter(({ namespace, name }) => record.adopted[`${namespace}/${name}`] === undefined)
    .flatMap((item) => conflictsOf(item, subject));
}

function conflictsOf(item: Adopted, subject: Subject): Conflict[] {
  const { namespace, name, origin, place } = item;
  const bridge = bridgeOf(item);
  const resource = `${namespace}/${name}`;
  const conflict = (message: string, hint: string): Conflict => ({
    resource,
    namespace,
    label: name,
    lab: undefined,
    message,
    hint,
    place,
  });
  const link = subject.live.namespaces.get(HOST)?.links.find(({ ifname }) => ifname === origin);
  const isHere = subject.live.namespaces.get(namespace)?.links.some(({ ifname }) => ifname === name);
  if (link === undefined) {
    if (isHere) return [];
    const others = subject.live.namespaces.get(HOST)?.links.map(({ ifname }) => ifname) ?? [];
    return [
      conflict(
        `the host has no interface ${origin} to adopt`,
        `it has ${others.join(', ')}; 'ip link' shows them`,
      ),
    ];
  }
  // Its addresses stay where it only gets more of them.
  if (namespace === HOST && bridge === undefined) return [];
  const holder = holderOf(origin, link.ifindex);
  if (holder !== undefined) {
    return [
      conflict(
        `${origin} is held by ${holder}, which would give it its addresses back`,
        `take ${origin} away from ${holder} first, and give its address in the file`,
      ),
    ];
  }
  if (namespace !== HOST) return [];
  const lost = lostWith(origin, subject);
  if (lost.length === 0) return [];
  return [
    conflict(
      `${origin} becomes a port of ${bridge}, and the host would lose ${lost.join(' and ')}`,
      `give ${bridge} the same addresses, and the host the same routes`,
    ),
  ];
}

/** Addresses and routes over the interface that the file gives to no other one. */
function lostWith(origin: string, { desired, found }: Subject): string[] {
  const wanted = new Map<string, string[]>();
  for (const { kind, namespace, attributes } of desired) {
    if (namespace !== HOST) continue;
    if (kind === 'address') append(wanted, 'address', String(attributes['address']));
    if (kind === 'route') append(wanted, 'route', destination(attributes));
  }
  const has = (kind: string, text: string) => wanted.get(kind)?.includes(text) === true;
  return found.flatMap(({ kind, namespace, attributes }) => {
    if (namespace !== HOST) return [];
    if (kind === 'address' && attributes['dev'] === origin) {
      const text = String(attributes['address']);
      return has('address', text) ? [] : [`the address ${text}`];
    }
    const devs = attributes['devs'];
    if (kind !== 'route' || !Array.isArray(devs) || !devs.includes(origin)) return [];
    const text = destination(attributes);
    return has('route', text) ? [] : [`its route to ${String(attributes['to'])}`];
  });
}

function destination(attributes: Resource['attributes']): string {
  return `${attributes['family']} ${attributes['table']} ${attributes['to']}`;
}

const clients = ['dhclient', 'dhcpcd', 'udhcpc', 'dhcp6c'];

/** The program that keeps an interface configured, as far as the machine tells; undefined where none does. */
export function holderOf(name: string, ifindex: number): string | undefined {
  // systemd-networkd, sd_network_link_get_setup_state(3): one file for each link.
  const networkd = readOrEmpty(`/run/systemd/netif/links/${ifindex}`);
  if (/^ADMIN_STATE=(configured|configuring|pending)$/m.test(networkd)) return 'systemd-networkd';
  // NetworkManager, src/core/nm-config.c: one file for each device that it manages.
  const manager = readOrEmpty(`/run/NetworkManager/devices/${ifindex}`);
  if (/^connection-uuid=./m.test(manager) || /^managed=(true|1)$/m.test(manager)) return 'NetworkManager';
  return dhcpClientOf(name);
}

function dhcpClientOf(name: string): string | undefined {
  const own = linkOrEmpty('/proc/self/ns/net');
  for (const pid of existsSync('/proc') ? readdirSync('/proc') : []) {
    if (!/^\d+$/.test(pid)) continue;
    const words = readOrEmpty(`/proc/${pid}/cmdline`).split('\0');
    // `busybox udhcpc`, or a link of its own name to busybox.
    const program = words.slice(0, 2).map((word) => basename(word).replace(/:.*$/, ''));
    const client = program.find((word) => clients.includes(word));
    if (client === undefined || linkOrEmpty(`/proc/${pid}/ns/net`) !== own) continue;
    const interfaces = words.slice(1).filter((word) => word !== '' && !word.startsWith('-'));
    // dhcpcd without an interface takes them all.
    if (interfaces.includes(name) || (client === 'dhcpcd' && interfaces.length === 0))
      return `${client} (process ${pid})`;
  }
  return undefined;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function linkOrEmpty(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
