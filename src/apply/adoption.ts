import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { findAdopted } from '../kinds/adopted.ts';
import { interfaceId } from '../kinds/interface.ts';
import type { LiveResource, Resource } from '../kinds/resource.ts';
import { append } from '../lib/collections.ts';
import type { IpLink, Live } from '../observe/live.ts';
import type { Conflict } from '../plan/step.ts';
import { linkOrEmpty, processIds, readOrEmpty } from '../system/proc.ts';
import { type LabRecord, peekRecord, recordedLabs } from '../system/record.ts';
import { type Adopted, bridgeOf, HOST, type Topology } from '../topology/model.ts';

interface Subject {
  readonly topology: Topology;
  readonly live: Live;
  readonly record: LabRecord;
  readonly desired: readonly Resource[];
  /** The live resources that the plan was made from. */
  readonly found: readonly LiveResource[];
}

/** Why interfaces that the file adopts cannot be taken, or not be used in another way than before. */
export function adoptionConflicts(subject: Subject): Conflict[] {
  const others = recordedLabs()
    .filter((lab) => lab !== subject.record.lab)
    .map(peekRecord);
  return subject.topology.interfaces
    .filter((item) => item.kind === 'adopted')
    .flatMap((item) => {
      const obstacle = findObstacle(item, subject, others);
      return obstacle === undefined ? [] : [toConflict(item, obstacle)];
    });
}

interface Obstacle {
  readonly message: string;
  readonly hint: string;
}

function toConflict({ namespace, name, place }: Adopted, { message, hint }: Obstacle): Conflict {
  return {
    resource: interfaceId(namespace, name),
    namespace,
    label: name,
    lab: undefined,
    message,
    hint,
    place,
  };
}

function findObstacle(item: Adopted, subject: Subject, others: readonly LabRecord[]): Obstacle | undefined {
  const { namespace, name, origin } = item;
  const { record, live } = subject;
  const id = interfaceId(namespace, name);
  const outOfFile = `take it out of the file, apply, and adopt it again`;
  const other = others.find(({ adopted }) => Object.values(adopted).some((entry) => entry.name === origin));
  if (other !== undefined) {
    return {
      message: `${origin} is adopted by the lab '${other.lab}'`,
      hint: `remove it from that lab's file, or that lab: topoweave destroy ${other.lab}`,
    };
  }
  const before = record.adopted[id];
  const [elsewhere] = Object.entries(record.adopted).find(
    ([known, entry]) => known !== id && entry.name === origin,
  ) ?? [undefined];
  if (elsewhere !== undefined)
    return { message: `this lab has ${origin} as ${elsewhere.replace('/', ':')}`, hint: outOfFile };
  if (before !== undefined && before.name !== origin)
    return { message: `${namespace}:${name} is ${before.name} of the host so far`, hint: outOfFile };
  const isExact = namespace !== HOST || bridgeOf(item) !== undefined;
  if (before?.isExact === true && !isExact) {
    return {
      message: `${origin} leaves its bridge, and would be without its own addresses`,
      hint: `${outOfFile}: then it gets them back`,
    };
  }
  const found = findAdopted(live, id, origin, record);
  if (found === undefined) {
    const names = live.namespaces.get(HOST)?.links.map(({ ifname }) => ifname) ?? [];
    return before === undefined
      ? {
          message: `the host has no interface ${origin} to adopt`,
          hint: `it has ${names.join(', ')}; 'ip link' shows them`,
        }
      : { message: `${origin} is gone: the lab had it as ${namespace}:${name}`, hint: 'plug it in again' };
  }
  const { info_kind: kind } = found.link.linkinfo ?? {};
  if (item.isBridge === true && kind !== 'bridge')
    return {
      message: `${origin} of the host is ${kind ?? 'a device'} and no bridge`,
      hint: 'take a bridge, or make one: leave adopt out',
    };
  if (before !== undefined && (before.isExact || !isExact)) return undefined;
  // Its addresses stay where it only gets more of them.
  return isExact ? takingObstacle(item, subject, found.link) : undefined;
}

/** Why an interface of the host cannot become a port, or leave the host. */
function takingObstacle(item: Adopted, subject: Subject, link: IpLink): Obstacle | undefined {
  const { namespace, name, origin } = item;
  const bridge = bridgeOf(item);
  const host = subject.live.namespaces.get(HOST);
  const holder = holderOf(origin, link.ifindex);
  if (holder !== undefined) {
    return {
      message: `${origin} is held by ${holder}, which would give it its addresses back`,
      hint: `take ${origin} away from ${holder} first, and give its address in the file`,
    };
  }
  if (namespace !== HOST) {
    const isTaken = subject.live.namespaces.get(namespace)?.links.some(({ ifname }) => ifname === name);
    return isTaken === true
      ? {
          message: `${namespace} has another interface ${name}, where ${origin} of the host is to be`,
          hint: 'give it another name, or remove the other one first',
        }
      : undefined;
  }
  // The kernel takes no port that has another user (netdev_rx_handler_register); see br_add_if.
  const upper = host?.links.find(
    ({ link: below, linkinfo }) => below === origin && /^(macv|ipv)/.test(linkinfo?.info_kind ?? ''),
  );
  if (upper !== undefined) {
    return {
      message: `${origin} cannot become a port of ${bridge}: ${upper.ifname} is on top of it`,
      hint: `remove ${upper.ifname} first`,
    };
  }
  const lost = lostWith(origin, subject);
  if (lost.length === 0) return undefined;
  return {
    message: `${origin} becomes a port of ${bridge}, and the host would lose ${lost.join(' and ')}`,
    hint: `give ${bridge} the same addresses, and the host the same routes`,
  };
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
  for (const pid of existsSync('/proc') ? processIds() : []) {
    const words = readOrEmpty(`/proc/${pid}/cmdline`).split('\0');
    // `busybox udhcpc`, or a link of its own name to busybox.
    const program = words.slice(0, 2).map((word) => basename(word).replace(/:.*$/, ''));
    const client = program.find((word) => clients.includes(word));
    if (client === undefined || linkOrEmpty(`/proc/${pid}/ns/net`) !== own) continue;
    const rest = words.slice(1).filter((word) => word !== '' && word !== client);
    const interfaces = rest.filter((word) => !word.startsWith('-'));
    // `-i eth0`, `-ieth0`, `--interface=eth0`.
    const isNamed = rest.some(
      (word) =>
        word === name || word.endsWith(`=${name}`) || (/^-[a-z]*i/.test(word) && word.endsWith(`i${name}`)),
    );
    // Without an interface these take them all.
    const takesAll = (client === 'dhcpcd' || client === 'dhclient') && interfaces.length === 0;
    if (isNamed || takesAll) return `${client} (process ${pid})`;
  }
  return undefined;
}
