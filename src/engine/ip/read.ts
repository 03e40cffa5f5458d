import { missingRules } from '../../kinds/kernel-rules.ts';
import { parseMark, tagsOf } from '../../kinds/marks.ts';
import { nftTable } from '../../kinds/nft.ts';
import { isVlanBridge } from '../../kinds/port-vlans.ts';
import { TopoweaveError } from '../../lib/errors.ts';
import { sysctlPath, sysctlValue } from '../../lib/sysctl.ts';
import type {
  ExtraTable,
  FdbEntry,
  IpLink,
  IpNeighbor,
  IpNetconf,
  IpNexthopObject,
  IpPortVlans,
  IpRoute,
  IpRule,
  LiveNamespace,
  NftObject,
  TcFilter,
  TcQdisc,
} from '../../observe/live.ts';
import { netnsPath, unopenable } from '../../system/netns.ts';
import { HOST } from '../../topology/model.ts';
import { isBrief } from '../brief.ts';
import { cannotRead } from '../cannot-read.ts';
import { mayHaveDisciplines, redirectable } from '../disciplines.ts';
import type { ReadRequest } from '../engine.ts';
import { extraTables } from '../extra-tables.ts';
import { mayHaveFirewall, mayHaveTable } from '../nft-table.ts';
import { wireguardOf } from '../wireguard-devices.ts';
import { isGone, isLate, type Job, type JobResult, parseShow, runJobs } from './fleet.ts';
import { parseToolJson } from './tool-json.ts';
import { readWireguard } from './wireguard.ts';

interface NamespaceId {
  readonly nsid: number;
  /** Missing for the machine's own namespace, which has no file under /run/netns. */
  readonly name?: string;
}

const batch = 'address show\nroute show table all\nnetconf show\nrule show\n';

/**
 * Reads namespaces with iproute2 6.1: one process for each, `ip -j -d -batch`, which prints one JSON array per command
 * on its own line; one more where there is an nftables table of the lab, one more where there is a vxlan device with its
 * forwarding entries, one more where a bridge filters VLANs, one more for each WireGuard device of the lab, one more where there
 * may be queueing disciplines that somebody chose.
 */
export async function read(
  names: readonly string[],
  request: ReadRequest,
): Promise<Map<string, LiveNamespace>> {
  const results = await showAll(names, request);
  const first = new Map<string, LiveNamespace>();
  names.forEach((name, index) => {
    const namespace = toNamespace(name, results[index]);
    if (namespace !== undefined) first.set(name, namespace);
  });
  return addSecondReadings(first, request);
}

/**
 * `ip netns list-id` opens each file of the folder. Those that must not be opened are covered; where one came since then, the
 * second look covers that one as well, and the last one goes without the ids.
 */
async function showAll(names: readonly string[], request: ReadRequest): Promise<JobResult[]> {
  if (!request.withPeers) return runJobs(names.map((name) => showJob(name, request)));
  const results: JobResult[] = [];
  let due = [...names.keys()];
  for (const withPeers of [true, true, false]) {
    const jobs = due.map((index) => showJob(names[index] ?? '', { ...request, withPeers }));
    const found = await runJobs(jobs, withPeers ? { cover: unopenable() } : {});
    for (const [at, index] of due.entries()) {
      const result = found[at];
      if (result !== undefined) results[index] = result;
    }
    due = due.filter((index) => isLate(results[index]));
    if (due.length === 0) break;
  }
  return results;
}

function showJob(name: string, request: ReadRequest): Job {
  if (isBrief(name, request))
    return { netns: netnsPath(name), verb: 'show', input: 'link show\n', readSysctls: [] };
  const sysctls = (request.sysctls.get(name) ?? []).map(sysctlPath);
  return {
    netns: netnsPath(name),
    verb: request.withPeers && sysctls.length === 0 ? 'show-peers' : 'show',
    input: request.withPeers ? `${batch}netns list-id\n` : batch,
    readSysctls: sysctls,
  };
}

function toNamespace(name: string, result: JobResult | undefined): LiveNamespace | undefined {
  if (result === undefined || result.code !== 0) {
    // Somebody may delete a namespace between the listing and the reading; the host's own cannot go.
    if (name !== HOST && isGone(result)) return undefined;
    throw cannotRead(name, result?.stderr.trim() || 'no answer');
  }
  const { documents, sysctls } = parseShow(result.stdout);
  // A border: the shapes are iproute2's, as far as live.ts describes them.
  const [links, routes, netconf, rules, ids] = documents as [
    IpLink[]?,
    IpRoute[]?,
    IpNetconf[]?,
    IpRule[]?,
    NamespaceId[]?,
  ];
  const lo = links?.find((link) => link.ifname === 'lo');
  return {
    name,
    mark: name === HOST ? undefined : parseMark(lo?.ifalias),
    links: (links ?? []).filter((link) => link.ifname !== undefined),
    routes: routes ?? [],
    netconf: netconf ?? [],
    sysctls: new Map([...sysctls].map(([path, value]) => [sysctlPath(path), sysctlValue(value)])),
    nft: [],
    fdb: [],
    // Without a family `ip rule` means IPv4.
    ...(rules === undefined ? {} : { rules: rules.map((rule) => ({ ...rule, family: 4 })) }),
    namespaceIds: new Map((ids ?? []).map(({ nsid, name: other }) => [nsid, other ?? HOST])),
  };
}

async function addSecondReadings(
  namespaces: Map<string, LiveNamespace>,
  request: ReadRequest,
): Promise<Map<string, LiveNamespace>> {
  const readings: { namespace: LiveNamespace; job: Job }[] = [];
  const whole = [...namespaces.values()].filter(({ name }) => !isBrief(name, request));
  const isSmall = whole.filter(({ mark }) => mark?.lab === request.lab).length <= SMALL_LAB;
  for (const namespace of whole) {
    const netns = netnsPath(namespace.name);
    const verb = nftVerb(namespace, request);
    if (request.lab !== undefined && verb !== undefined)
      readings.push({ namespace, job: { netns, verb, input: `${nftTable(request.lab)}\n` } });
    const extra = extraTables(namespace, request);
    if (!extra.has('rules')) namespaces.set(namespace.name, withoutRules(namespace));
    if (needsReading(extra)) {
      const input = extraLines.flatMap(([table, lines]) => (extra.has(table) ? lines : [])).join('');
      readings.push({ namespace, job: { netns, verb: 'show', input } });
    }
    if (extra.has('rules') && !readsRulesOfV6(namespace, request, isSmall))
      namespaces.set(namespace.name, { ...namespace, rulesOfV4Only: true });
    else if (extra.has('rules'))
      readings.push({ namespace, job: { netns, verb: 'show6', input: 'rule show\n' } });
    const hasVxlan = namespace.links.some((link) => link.linkinfo?.info_kind === 'vxlan');
    if (hasVxlan || request.fdb?.has(namespace.name)) {
      readings.push({ namespace, job: { netns, verb: 'bridge-show', input: '' } });
    }
    if (namespace.links.some(isVlanBridge)) {
      readings.push({ namespace, job: { netns, verb: 'vlan-show', input: '' } });
    }
    if (mayHaveDisciplines(namespace, request)) {
      readings.push({
        namespace,
        job: { netns, verb: 'tc-show', input: disciplineLines(namespace, request) },
      });
    }
  }
  const results = await runJobs(readings.map(({ job }) => job));
  readings.forEach(({ namespace, job }, index) => {
    const result = results[index];
    // Somebody may delete it between the two readings.
    if (namespace.name !== HOST && isGone(result)) namespaces.delete(namespace.name);
    const known = namespaces.get(namespace.name);
    if (known === undefined) return;
    if (job.verb === 'nft-own') {
      namespaces.set(namespace.name, { ...known, ...parseOwnTables(result, namespace.name, request) });
    } else if (job.verb === 'nft-list') {
      namespaces.set(namespace.name, { ...known, nft: parseNft(result, namespace.name) });
    } else if (job.verb === 'show' || job.verb === 'show6') {
      const tables = readExtra(result, job, namespace.name);
      const rules = tables.rules === undefined ? {} : { rules: [...(known.rules ?? []), ...tables.rules] };
      namespaces.set(namespace.name, { ...known, ...tables, ...rules });
    } else if (job.verb === 'vlan-show') {
      const portVlans = result?.code === 0 ? (parseToolJson(result.stdout || '[]') as IpPortVlans[]) : [];
      namespaces.set(namespace.name, { ...known, portVlans });
    } else if (job.verb === 'tc-show') {
      namespaces.set(namespace.name, { ...known, ...parseDisciplines(result, namespace, request) });
    } else if (result?.code === 0) {
      namespaces.set(namespace.name, { ...known, fdb: parseToolJson(result.stdout || '[]') as FdbEntry[] });
    }
  });
  for (const { name, links } of whole) {
    const own = wireguardOf(links, request.lab);
    const namespace = namespaces.get(name);
    if (namespace !== undefined && own.length > 0)
      namespaces.set(name, { ...namespace, wireguard: await readWireguard(name, own) });
  }
  return namespaces;
}

/** One process where there is a NAT table alone; where there may be others too, one more that says which there are. */
function nftVerb(namespace: LiveNamespace, request: ReadRequest): 'nft-own' | 'nft-list' | undefined {
  if (mayHaveFirewall(namespace, request)) return 'nft-own';
  return mayHaveTable(namespace, request) ? 'nft-list' : undefined;
}

const extraLines: readonly (readonly [ExtraTable, readonly string[]])[] = [
  ['neighbors', ['neigh show\n', 'neigh show proxy\n']],
  ['nexthops', ['nexthop show\n']],
];

/**
 * The rules of IPv6 take a program of their own in each namespace: `ip -batch` lists one family. In a large lab they are
 * read where the lab has rules, and where the kernel's own ones of IPv4 are not whole.
 */
function readsRulesOfV6(namespace: LiveNamespace, { extra }: ReadRequest, isSmall: boolean): boolean {
  const { name, mark } = namespace;
  if (isSmall || extra?.get(name)?.has('rules') === true) return true;
  if (mark !== undefined && tagsOf(mark).includes('rules')) return true;
  return missingRules({ ...namespace, rulesOfV4Only: true }).length > 0;
}

/** Namespaces. */
const SMALL_LAB = 16;

/** The rules of IPv4 come with the first reading. */
function needsReading(extra: ReadonlySet<ExtraTable>): boolean {
  return extraLines.some(([table]) => extra.has(table));
}

function withoutRules({ rules: _, ...namespace }: LiveNamespace): LiveNamespace {
  return namespace;
}

type Extra = Pick<LiveNamespace, 'rules' | 'neighbors' | 'nexthops'>;

function readExtra(result: JobResult | undefined, { verb, input }: Job, namespace: string): Extra {
  if (result?.code !== 0)
    throw new TopoweaveError('observe', `cannot read namespace ${namespace}: ${result?.stderr.trim() ?? ''}`);
  // A border: the shapes are iproute2's, as far as live.ts describes them. One document for each line of the batch.
  const { documents } = parseShow(result.stdout);
  const found: { rules?: IpRule[]; neighbors?: IpNeighbor[]; nexthops?: IpNexthopObject[] } = {};
  const family = verb === 'show6' ? 6 : 4;
  input.split('\n').forEach((line, index) => {
    const document = (documents[index] ?? []) as object[];
    if (line.startsWith('rule')) found.rules = (document as IpRule[]).map((rule) => ({ ...rule, family }));
    if (line.startsWith('neigh'))
      found.neighbors = [...(found.neighbors ?? []), ...(document as IpNeighbor[])];
    if (line.startsWith('nexthop')) found.nexthops = document as IpNexthopObject[];
  });
  return found;
}

/** One line that prints each, in the order of the links. */
function disciplineLines(namespace: LiveNamespace, request: ReadRequest): string {
  const filters = redirectable(namespace, request).map(
    ({ ifname }) => `filter show dev "${ifname}" ingress\n`,
  );
  return `qdisc show\n${filters.join('')}`;
}

function parseDisciplines(
  result: JobResult | undefined,
  namespace: LiveNamespace,
  request: ReadRequest,
): Pick<LiveNamespace, 'qdiscs' | 'filters'> {
  // Of a link that went meanwhile, and of those behind it, nothing is printed.
  if (result?.code !== 0 && !/Cannot find device|No such device/.test(result?.stderr ?? '')) {
    // Without the program, and without a link that shows one, there is nothing of ours either.
    const { stderr = 'no answer' } = result ?? {};
    throw new TopoweaveError('observe', `cannot read the queues of ${namespace.name}: ${stderr.trim()}`, {
      hint: 'this needs the program tc of iproute2',
    });
  }
  const [qdiscs = [], ...filters] = parseShow(result?.stdout ?? '').documents as [
    TcQdisc[]?,
    ...TcFilter[][],
  ];
  return {
    qdiscs,
    filters: redirectable(namespace, request).flatMap(({ ifname }, index) =>
      (filters[index] ?? []).map((filter) => ({ ...filter, dev: ifname })),
    ),
  };
}

function parseOwnTables(
  result: JobResult | undefined,
  namespace: string,
  { lab = '' }: ReadRequest,
): Pick<LiveNamespace, 'nft' | 'firewall'> {
  if (result?.code !== 0)
    throw new TopoweaveError(
      'observe',
      `cannot read nftables in ${namespace}: ${result?.stderr.trim() ?? ''}`,
    );
  const tables = result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (parseToolJson(line) as { nftables: NftObject[] }).nftables);
  const isNat = (objects: readonly NftObject[]) =>
    objects.some(({ table }) => table?.['name'] === nftTable(lab));
  return {
    nft: tables.filter(isNat).flat(),
    firewall: tables.filter((objects) => !isNat(objects)).flat(),
  };
}

function parseNft(result: JobResult | undefined, namespace: string): NftObject[] {
  if (result?.code === 0) return (parseToolJson(result.stdout) as { nftables: NftObject[] }).nftables;
  // nft 1.0.6 says "No such file or directory" for a table that is not there; without nft there is no table either.
  if (result === undefined || /No such file|not found/.test(result.stderr)) return [];
  throw new TopoweaveError('observe', `cannot read nftables in ${namespace}: ${result.stderr.trim()}`);
}
