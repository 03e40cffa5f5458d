import { linkBelongsTo } from '../kinds/marks.ts';
import { isLongName, kernelName } from '../lib/interface-name.ts';
import { sysctlPath } from '../lib/sysctl.ts';
import type { Topology } from '../topology/model.ts';
import type {
  FdbEntry,
  IpAddress,
  IpLink,
  IpNeighbor,
  IpNetconf,
  IpNexthopObject,
  IpPortVlans,
  IpRoute,
  IpRule,
  Live,
  LiveNamespace,
  TcFilter,
  TcQdisc,
  WireguardDevice,
} from './live.ts';

/** By namespace: the name in the documents → the name that it gets. */
export type Renames = ReadonlyMap<string, ReadonlyMap<string, string>>;

/**
 * Gives interfaces with a name that is too long for the kernel that name, everywhere in the documents: it stands among
 * their alternative names, or, where somebody took it away, the wanted names tell.
 */
export function withLongNames(live: Live, wanted: Renames): Live {
  const renames = new Map<string, Map<string, string>>();
  for (const { name: namespace, links } of live.namespaces.values()) {
    const known = wanted.get(namespace);
    for (const { ifname, altnames } of links) {
      if (altnames === undefined && known === undefined) continue;
      const long =
        altnames?.find((name) => isLongName(name) && kernelName(name) === ifname) ?? known?.get(ifname);
      if (long === undefined) continue;
      const names = renames.get(namespace) ?? new Map<string, string>();
      renames.set(namespace, names.set(ifname, long));
    }
  }
  return renames.size === 0 ? live : rename(live, renames);
}

/**
 * Gives interfaces of the lab that were renamed in the file (`was`) their new name, so that only the name is different:
 * where there is one of the old name, and none of the new one, and the file has no other use for the old one.
 */
export function withNewNames(live: Live, topology: Topology): Live {
  const renames = new Map<string, Map<string, string>>();
  const declared = new Set<string>();
  for (const { was, namespace, name } of topology.interfaces) {
    if (was !== undefined) renames.set(namespace, (renames.get(namespace) ?? new Map()).set(was, name));
  }
  if (renames.size === 0) return live;
  for (const { namespace, name } of topology.interfaces) declared.add(`${namespace}/${name}`);
  for (const [namespace, names] of renames) {
    const links = new Map(live.namespaces.get(namespace)?.links.map((link) => [link.ifname, link]));
    for (const [old, name] of names) {
      const link = links.get(old);
      const isOurs = link !== undefined && linkBelongsTo(link, topology.name);
      if (!isOurs || links.has(name) || declared.has(`${namespace}/${old}`)) names.delete(old);
    }
  }
  return rename(live, renames);
}

/** The documents as if the interfaces had other names; each link keeps the one that the kernel knows. */
export function rename(live: Live, renames: Renames): Live {
  const namespaces = new Map(live.namespaces);
  for (const [name, names] of renames) {
    const namespace = namespaces.get(name);
    if (namespace !== undefined) namespaces.set(name, renameIn(namespace, names));
  }
  return { ...live, namespaces };
}

function renameIn(namespace: LiveNamespace, names: ReadonlyMap<string, string>): LiveNamespace {
  const of = (name: string) => names.get(name) ?? name;
  /** The same entry with other names behind these keys, where it has them. */
  const inKeys =
    <T extends object>(...keys: readonly (keyof T & string)[]) =>
    (item: T): T => {
      const changed = keys.filter((key) => names.has(String(item[key])));
      if (changed.length === 0) return item;
      return { ...item, ...Object.fromEntries(changed.map((key) => [key, of(String(item[key]))])) };
    };
  const { rules, neighbors, nexthops, qdiscs, filters, portVlans, wireguard } = namespace;
  const byDevice = inKeys<{ readonly dev?: string }>('dev');
  return {
    ...namespace,
    links: namespace.links.map((link) => renameLink(link, names)),
    routes: namespace.routes.map((route) => ({
      ...inKeys<IpRoute>('dev')(route),
      ...(route.nexthops === undefined ? {} : { nexthops: route.nexthops.map(byDevice) }),
    })),
    netconf: namespace.netconf.map(inKeys<IpNetconf>('interface')),
    sysctls: new Map([...namespace.sysctls].map(([name, value]) => [renameSysctl(name, of), value])),
    fdb: namespace.fdb.map(inKeys<FdbEntry>('ifname', 'master')),
    ...(rules === undefined ? {} : { rules: rules.map(inKeys<IpRule>('iif', 'oif')) }),
    ...(neighbors === undefined ? {} : { neighbors: neighbors.map(inKeys<IpNeighbor>('dev')) }),
    ...(nexthops === undefined ? {} : { nexthops: nexthops.map(inKeys<IpNexthopObject>('dev')) }),
    ...(qdiscs === undefined ? {} : { qdiscs: qdiscs.map(inKeys<TcQdisc>('dev')) }),
    ...(filters === undefined ? {} : { filters: filters.map((filter) => renameFilter(filter, of)) }),
    ...(portVlans === undefined ? {} : { portVlans: portVlans.map(inKeys<IpPortVlans>('ifname')) }),
    ...(wireguard === undefined ? {} : { wireguard: wireguard.map(inKeys<WireguardDevice>('ifname')) }),
  };
}

/** A filter names the device that it is on, and those that its actions lead to. */
function renameFilter(filter: TcFilter, of: (name: string) => string): TcFilter {
  const actions = filter.options?.actions?.map((action) =>
    action.to_dev === undefined ? action : { ...action, to_dev: of(action.to_dev) },
  );
  return {
    ...filter,
    dev: of(filter.dev),
    ...(actions === undefined ? {} : { options: { ...filter.options, actions } }),
  };
}

/** What the data of a link say of others: what a tunnel is bound to, the first member of a bond. */
const namesInData = ['link', 'primary'];

function renameLink(link: IpLink, names: ReadonlyMap<string, string>): IpLink {
  const { ifname, master, link: below, link_netnsid: elsewhere } = link;
  const own = names.get(ifname);
  const data = link.linkinfo?.info_data;
  // The name of a peer in another namespace is that namespace's affair.
  const isNear = below !== undefined && elsewhere === undefined;
  return {
    ...link,
    ...(own === undefined
      ? {}
      : {
          ifname: own,
          kernelName: link.kernelName ?? ifname,
          addr_info: link.addr_info?.map((address) => renameLabel(address, ifname, own)) ?? [],
        }),
    ...(master === undefined ? {} : { master: names.get(master) ?? master }),
    ...(isNear ? { link: names.get(below) ?? below } : {}),
    ...(data === undefined || !namesInData.some((key) => names.has(String(data[key])))
      ? {}
      : { linkinfo: { ...link.linkinfo, info_data: renameData(data, names) } }),
  };
}

/** The kernel keeps the name in the labels of IPv4 addresses, and renames them too (inetdev_changename). */
function renameLabel(address: IpAddress, from: string, to: string): IpAddress {
  const { label } = address;
  return label === undefined || !(label === from || label.startsWith(`${from}:`))
    ? address
    : { ...address, label: `${to}${label.slice(from.length)}` };
}

function renameData(data: Data, names: ReadonlyMap<string, string>): Data {
  const renamed = namesInData.flatMap((key) => {
    const name = names.get(String(data[key]));
    return name === undefined ? [] : [[key, name] as const];
  });
  return { ...data, ...Object.fromEntries(renamed) };
}

type Data = Readonly<Record<string, unknown>>;

/** The name of a parameter with another interface in it: `net.ipv4.conf.eth0.rp_filter`. */
export function renameSysctl(name: string, of: (device: string) => string): string {
  const path = sysctlPath(name);
  const renamed = path.replace(
    /^(net\/[^/]+\/(?:conf|neigh)\/)([^/]+)/,
    (_, folder: string, device: string) => `${folder}${of(device)}`,
  );
  return renamed === path ? name : sysctlPath(renamed);
}
