import { setImmediate } from 'node:timers/promises';
import { firewallTable } from '../../kinds/firewall-chains.ts';
import { indexKey } from '../../kinds/interface.ts';
import type { LinkNames } from '../../kinds/link-codec.ts';
import { parseMark } from '../../kinds/marks.ts';
import { nftTable } from '../../kinds/nft.ts';
import { isVlanBridge } from '../../kinds/port-vlans.ts';
import { append } from '../../lib/collections.ts';
import { errnoOf, messageOf } from '../../lib/system-error.ts';
import type { ExtraTable, IpLink, LiveNamespace, NftObject } from '../../observe/live.ts';
import { HOST } from '../../topology/model.ts';
import { isBrief } from '../brief.ts';
import { cannotRead } from '../cannot-read.ts';
import { mayHaveDisciplines, redirectable } from '../disciplines.ts';
import type { ReadRequest } from '../engine.ts';
import { extraTables } from '../extra-tables.ts';
import { read as readWithIp } from '../ip/read.ts';
import { mayHaveFirewall, mayHaveTable } from '../nft-table.ts';
import { wireguardOf } from '../wireguard-devices.ts';
import { readAddresses } from './decode/address.ts';
import { readFdb } from './decode/fdb.ts';
import { readFilters } from './decode/filter.ts';
import { readLinks } from './decode/link.ts';
import { readNeighbors, readProxies } from './decode/neighbor.ts';
import { readNetconf } from './decode/netconf.ts';
import { readNexthops } from './decode/nexthop.ts';
import { readPortVlans } from './decode/port-vlan.ts';
import { readQdiscs } from './decode/qdisc.ts';
import { readRoutes } from './decode/route.ts';
import { readRules } from './decode/rule.ts';
import { isGone, NeedsProgram } from './errors.ts';
import { visit } from './namespace.ts';
import { listTable } from './nftables.ts';
import { namespaceId } from './nsid.ts';
import { NetlinkSocket } from './socket.ts';
import { readSysctl } from './sysctl.ts';
import { readWireguard } from './wireguard.ts';

/** Namespaces between two turns of the event loop. */
const NAMESPACES_PER_TURN = 200;

const nothing = {};

/** Reads namespaces in this process; one whose nftables cannot be read without libnftables is read by the programs. */
export async function read(
  names: readonly string[],
  request: ReadRequest,
): Promise<Map<string, LiveNamespace>> {
  const found = new Map<string, LiveNamespace>();
  const others: string[] = [];
  for (const [index, name] of names.entries()) {
    if (index % NAMESPACES_PER_TURN === NAMESPACES_PER_TURN - 1) await setImmediate();
    const namespace = readOne(name, request);
    if (namespace === 'unknown') others.push(name);
    else if (namespace !== 'gone') found.set(name, namespace);
  }
  if (request.withPeers) addPeers(found);
  if (others.length === 0) return found;
  const rest = await readWithIp(others, request);
  // In the order that was asked for.
  return new Map(
    names.flatMap((name) => {
      const namespace = found.get(name) ?? rest.get(name);
      return namespace === undefined ? [] : [[name, namespace] as const];
    }),
  );
}

function readOne(name: string, request: ReadRequest): LiveNamespace | 'gone' | 'unknown' {
  try {
    return visit(name, () => readInside(name, request));
  } catch (error) {
    if (error instanceof NeedsProgram) return 'unknown';
    // Somebody may delete a namespace between the listing and the reading; the host's own cannot go.
    if (name !== HOST && isGone(error)) return 'gone';
    throw cannotRead(name, messageOf(error), error);
  }
}

function readInside(name: string, request: ReadRequest): LiveNamespace {
  const socket = new NetlinkSocket();
  try {
    if (isBrief(name, request)) return onlyLinks(name, readLinks(socket, new Map()).links);
    const addresses = readAddresses(socket);
    const { links, names } = readLinks(socket, addresses);
    const hasVxlan = links.some((link) => link.linkinfo?.info_kind === 'vxlan');
    const lo = links.find(({ ifname }) => ifname === 'lo');
    const mark = name === HOST ? undefined : parseMark(lo?.ifalias);
    const found = { name, links };
    return {
      name,
      mark,
      links,
      routes: readRoutes(socket, names),
      netconf: readNetconf(socket),
      sysctls: readSysctls(name, request.sysctls.get(name) ?? []),
      nft:
        request.lab !== undefined && mayHaveTable({ name, mark }, request)
          ? listTable(nftTable(request.lab))
          : [],
      ...(request.lab !== undefined && mayHaveFirewall({ name, mark }, request)
        ? { firewall: listFirewall(request.lab) }
        : {}),
      fdb: hasVxlan || request.fdb?.has(name) ? readFdb(socket, names) : [],
      ...(links.some(isVlanBridge) ? { portVlans: readPortVlans(socket) } : {}),
      ...withWireguard(links, request),
      namespaceIds: new Map(),
      ...readExtra(socket, names, extraTables({ name, mark }, request)),
      ...(mayHaveDisciplines(found, request)
        ? {
            qdiscs: readQdiscs(socket, names),
            filters: readFilters(socket, redirectable(found, request), names),
          }
        : {}),
    };
  } finally {
    socket.close();
  }
}

function onlyLinks(name: string, links: readonly IpLink[]): LiveNamespace {
  const lo = links.find(({ ifname }) => ifname === 'lo');
  return {
    name,
    mark: parseMark(lo?.ifalias),
    links,
    routes: [],
    netconf: [],
    sysctls: new Map(),
    nft: [],
    fdb: [],
    namespaceIds: new Map(),
  };
}

function listFirewall(lab: string): NftObject[] {
  const table = firewallTable(lab);
  return [...listTable(table), ...listTable(table, 'bridge')];
}

type Extra = Pick<LiveNamespace, 'rules' | 'neighbors' | 'nexthops'>;

function readExtra(socket: NetlinkSocket, names: LinkNames, tables: ReadonlySet<ExtraTable>): Extra {
  if (tables.size === 0) return nothing;
  return {
    ...(tables.has('rules') ? { rules: readRules(socket) } : {}),
    ...(tables.has('neighbors')
      ? { neighbors: [...readNeighbors(socket, names), ...readProxies(socket, names)] }
      : {}),
    ...(tables.has('nexthops') ? { nexthops: readNexthops(socket, names) } : {}),
  };
}

function withWireguard(links: readonly IpLink[], { lab }: ReadRequest): Pick<LiveNamespace, 'wireguard'> {
  const own = wireguardOf(links, lab);
  return own.length === 0 ? {} : { wireguard: readWireguard(own) };
}

/** Those that can be read; a kernel without a module, say, does not have its parameters. */
function readSysctls(namespace: string, names: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const name of names) {
    try {
      values.set(name, readSysctl(namespace, name));
    } catch (error) {
      // Reported by the plan, when the parameter is set. What is only not known now would be forgotten by a removal.
      if (isUnknownNow(error, name)) throw error;
    }
  }
  return values;
}

/** The kernel has no parameter of that name, or no value to show: `stable_secret` gives EIO until it is set (addrconf.c). */
const withoutValue: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EINVAL']);

function isUnknownNow(error: unknown, name: string): boolean {
  const code = errnoOf(error) ?? '';
  return !withoutValue.has(code) && !(code === 'EIO' && name.endsWith('.stable_secret'));
}

/**
 * Tells each namespace which others its ids mean. The kernel tells the id of a namespace that is named to it, not the
 * name of an id: of each veth, only those namespaces are tried that have a link which could be its peer.
 */
function addPeers(namespaces: Map<string, LiveNamespace>): void {
  const byIndex = new Map<string, { namespace: string; link: IpLink }[]>();
  for (const { name, links } of namespaces.values()) {
    for (const link of links) {
      if (link.link_netnsid !== undefined) append(byIndex, indexKey(link, 'own'), { namespace: name, link });
    }
  }
  for (const namespace of namespaces.values()) {
    const ends = namespace.links.filter(({ link_netnsid: id }) => id !== undefined);
    if (ends.length === 0) continue;
    const ids = unlessGone(() => visit(namespace.name, () => findPeers(ends, byIndex)));
    if (ids !== undefined) namespaces.set(namespace.name, { ...namespace, namespaceIds: ids });
  }
}

function findPeers(
  ends: readonly IpLink[],
  byIndex: ReadonlyMap<string, readonly { namespace: string; link: IpLink }[]>,
): Map<number, string> {
  const ids = new Map<number, string>();
  const socket = new NetlinkSocket();
  try {
    for (const end of ends) {
      const wanted = end.link_netnsid ?? -1;
      if (ids.has(wanted)) continue;
      const tag = parseMark(end.ifalias)?.tag;
      const candidates = byIndex.get(indexKey(end, 'peer')) ?? [];
      const isLikely = ({ link }: { link: IpLink }) =>
        tag !== undefined && parseMark(link.ifalias)?.tag === tag;
      const sorted = [...candidates.filter(isLikely), ...candidates.filter((other) => !isLikely(other))];
      const peer = sorted.find(
        ({ namespace }) => unlessGone(() => namespaceId(socket, namespace)) === wanted,
      );
      if (peer !== undefined) ids.set(wanted, peer.namespace);
    }
  } finally {
    socket.close();
  }
  return ids;
}

/** What a namespace gives, or undefined when it went meanwhile. */
function unlessGone<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
