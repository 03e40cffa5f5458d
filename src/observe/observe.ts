import { parseMark } from '../kinds/marks.ts';
import { nftTable } from '../kinds/nft.ts';
import { TopoweaveError } from '../lib/errors.ts';
import { type Job, type JobResult, parseShow, runJobs } from '../system/fleet.ts';
import { listNamespaces, netnsPath } from '../system/netns.ts';
import { HOST } from '../topology/model.ts';
import type { FdbEntry, IpLink, IpNetconf, IpRoute, Live, LiveNamespace, NftObject } from './live.ts';

export interface ObserveRequest {
  /** undefined: no lab's nftables tables are read. */
  readonly lab: string | undefined;
  /** Namespaces where the file has NAT: their table is read. Marked ones are read in any case. */
  readonly nat: ReadonlySet<string>;
  /** Dotted sysctl names to read, by namespace. */
  readonly sysctls: ReadonlyMap<string, readonly string[]>;
  /** Also ask which namespace each namespace id means; its cost grows with the square of the number of namespaces. */
  readonly withPeers?: boolean;
}

interface NamespaceId {
  readonly nsid: number;
  /** Missing for the machine's own namespace, which has no file under /run/netns. */
  readonly name?: string;
}

const batch = 'address show\nroute show table all\nnetconf show\n';

/**
 * Reads the live state of every named namespace and of the host: one process per namespace, one more where there is an
 * nftables table of the lab, one more where there is a vxlan device with its forwarding entries.
 *
 * Source of the documents: iproute2 6.1 `ip -j -d -batch`; one JSON array per command, each on its own line.
 */
export async function observe(request: ObserveRequest): Promise<Live> {
  const { names, stale } = listNamespaces();
  const all = [HOST, ...names];
  const results = await runJobs(all.map((name) => showJob(name, request)));
  const first = new Map<string, LiveNamespace>();
  all.forEach((name, index) => {
    const namespace = toNamespace(name, results[index]);
    if (namespace !== undefined) first.set(name, namespace);
  });
  return { namespaces: await addSecondReadings(first, request), stale };
}

function showJob(name: string, request: ObserveRequest): Job {
  const sysctls = (request.sysctls.get(name) ?? []).map(sysctlPath);
  return {
    netns: netnsPath(name),
    verb: 'show',
    input: request.withPeers ? `${batch}netns list-id\n` : batch,
    readSysctls: sysctls,
  };
}

function toNamespace(name: string, result: JobResult | undefined): LiveNamespace | undefined {
  if (result === undefined || result.code !== 0) {
    // Somebody may delete a namespace between the listing and the reading; the host's own cannot go.
    if (name !== HOST && /No such file or directory/.test(result?.stderr ?? '')) return undefined;
    throw new TopoweaveError(
      'observe',
      `cannot read namespace ${name}: ${result?.stderr.trim() ?? 'no answer'}`,
      {
        hint: 'this needs root: use sudo, or try it in a throw-away host with: topoweave sandbox',
      },
    );
  }
  const { documents, sysctls } = parseShow(result.stdout);
  // A border: the shapes are iproute2's, as far as live.ts describes them.
  const [links, routes, netconf, ids] = documents as [IpLink[]?, IpRoute[]?, IpNetconf[]?, NamespaceId[]?];
  const lo = links?.find((link) => link.ifname === 'lo');
  return {
    name,
    mark: name === HOST ? undefined : parseMark(lo?.ifalias),
    links: (links ?? []).filter((link) => link.ifname !== undefined),
    routes: routes ?? [],
    netconf: netconf ?? [],
    sysctls: new Map(
      [...sysctls].map(([path, value]) => [sysctlName(path), value.trim().replace(/\s+/g, ' ')]),
    ),
    nft: [],
    fdb: [],
    namespaceIds: new Map((ids ?? []).map(({ nsid, name: other }) => [nsid, other ?? HOST])),
  };
}

async function addSecondReadings(
  namespaces: Map<string, LiveNamespace>,
  request: ObserveRequest,
): Promise<Map<string, LiveNamespace>> {
  const readings: { namespace: LiveNamespace; job: Job }[] = [];
  for (const namespace of namespaces.values()) {
    const netns = netnsPath(namespace.name);
    if (request.lab !== undefined && mayHaveTable(namespace, request.lab, request.nat)) {
      readings.push({ namespace, job: { netns, verb: 'nft-list', input: `${nftTable(request.lab)}\n` } });
    }
    if (namespace.links.some((link) => link.linkinfo?.info_kind === 'vxlan')) {
      readings.push({ namespace, job: { netns, verb: 'bridge-show', input: '' } });
    }
  }
  const results = await runJobs(readings.map(({ job }) => job));
  readings.forEach(({ namespace, job }, index) => {
    const result = results[index];
    const known = namespaces.get(namespace.name) ?? namespace;
    if (job.verb === 'nft-list') {
      namespaces.set(namespace.name, { ...known, nft: parseNft(result, namespace.name) });
    } else if (result?.code === 0) {
      namespaces.set(namespace.name, { ...known, fdb: JSON.parse(result.stdout || '[]') as FdbEntry[] });
    }
  });
  return namespaces;
}

/** The host is always asked; a namespace only where the file or the mark on its `lo` says that there is a table. */
function mayHaveTable(namespace: LiveNamespace, lab: string, nat: ReadonlySet<string>): boolean {
  if (nat.has(namespace.name) || namespace.name === HOST) return true;
  return namespace.mark?.lab === lab && namespace.mark.tag.includes('nft');
}

function parseNft(result: JobResult | undefined, namespace: string): NftObject[] {
  if (result?.code === 0) return (JSON.parse(result.stdout) as { nftables: NftObject[] }).nftables;
  // nft 1.0.6 says "No such file or directory" for a table that is not there; without nft there is no table either.
  if (result === undefined || /No such file|not found/.test(result.stderr)) return [];
  throw new TopoweaveError('observe', `cannot read nftables in ${namespace}: ${result.stderr.trim()}`);
}

/** `net.ipv4.conf.eth0/10.forwarding` → `net/ipv4/conf/eth0.10/forwarding`, as sysctl(8) swaps dots and slashes. */
export function sysctlPath(name: string): string {
  return name.replace(/[./]/g, (character) => (character === '.' ? '/' : '.'));
}

function sysctlName(path: string): string {
  return sysctlPath(path);
}
