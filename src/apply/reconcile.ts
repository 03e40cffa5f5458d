import { setTimeout } from 'node:timers/promises';
import type { Engine, StepFailure } from '../engine/engine.ts';
import { isUnmarkedHostAddress } from '../kinds/address.ts';
import { namespacesWithFdb } from '../kinds/bridge-fdb.ts';
import type { Resource } from '../kinds/resource.ts';
import { isHostRoute } from '../kinds/route.ts';
import { wantedSysctls } from '../kinds/sysctl.ts';
import type { Place } from '../lib/diagnostic.ts';
import { TopoweaveError } from '../lib/errors.ts';
import { isLongName, kernelName } from '../lib/interface-name.ts';
import type { ExtraTable, Live } from '../observe/live.ts';
import { type Renames, withNewNames } from '../observe/names.ts';
import { observe, observeAgain } from '../observe/observe.ts';
import { ownershipWarnings, unprovenNamespaces, withProvenMarks } from '../observe/ownership.ts';
import type { PlanWarning } from '../plan/foreign-filters.ts';
import { makePlan, readLive } from '../plan/plan.ts';
import { type Conflict, type Plan, type Step, touchedNamespaces } from '../plan/step.ts';
import { notedDamage } from '../system/damage.ts';
import { etcFolders, etcInUse, removeEtcFolders } from '../system/etc-claims.ts';
import { withLock } from '../system/lock.ts';
import { requireNetnsFolder } from '../system/netns.ts';
import { type LabRecord, type MoreFiles, readRecord, removeRecord, writeRecord } from '../system/record.ts';
import { forgetServices } from '../system/services/forget.ts';
import { repairServiceRecords } from '../system/services/record.ts';
import { findSurvivors, noSurvivors, type Survivors } from '../system/survivors.ts';
import { forgetKeys, resolveKeys, storeKeys } from '../system/wireguard-keys.ts';
import { hasFirewall } from '../topology/firewall.ts';
import { extraTablesOf, HOST, hasNat, type Topology } from '../topology/model.ts';
import { adoptionConflicts } from './adoption.ts';
import { alternativeNameConflicts } from './alternative-names.ts';
import { withBridgeFilters } from './bridge-filters.ts';
import { CARRIER_INTERVAL_MS, carrierPatience, isWithoutCarrier } from './carrier.ts';
import { needsDockerUser, withFoundChains } from './docker-user.ts';
import { exclusiveConflicts } from './exclusive.ts';
import { type ExecuteOptions, type ExecutionResult, execute } from './execute.ts';
import { adoptedInUse, claimAdopted, withFormerSettings } from './former-adopted.ts';
import { claimSysctls, sysctlsInUse, withWritten } from './former-sysctls.ts';
import { foundByMarks, hasLostObjects, withOrphans } from './orphans.ts';
import { hasOvs, plansOvs, requireOvs, withDatapath } from './ovs.ts';
import { choosePorts, portConflicts, portsToRecord, portUseFinder } from './ports.ts';
import { afterApply, notGivenBack, tidyUp } from './repair.ts';
import { requireMachine } from './requirements.ts';
import { claimShared, keepShared, sharedConflicts, withShared } from './shared-sysctls.ts';
import { writeDown } from './write-down.ts';

/** What is wanted: a topology, or, without one, that nothing of the lab is left. */
export interface Target {
  readonly lab: string;
  readonly topology: Topology | undefined;
  /** The absolute path of the file, for `status`. */
  readonly file?: string;
  readonly more?: MoreFiles;
  /** Of a lab that is to go: the namespaces that its file declares, where the record does not say what is the lab's. */
  readonly declared?: readonly string[];
}

/** Foreign objects are in the way of declared names: nothing was changed. */
export class ConflictError extends TopoweaveError {
  readonly conflicts: readonly Conflict[];
  /** Where the file says so: set by who knows the file. */
  locate: ((place: Place) => string) | undefined;

  constructor(conflicts: readonly Conflict[]) {
    super(
      'conflict',
      `${conflicts.length === 1 ? 'something is' : `${conflicts.length} things are`} in the way; nothing was changed`,
    );
    this.conflicts = conflicts;
  }
}

/** A step failed, or the kernel does not show what was asked for. */
export class ApplyError extends TopoweaveError {
  readonly failures: readonly StepFailure[];
  /** Differences that remain after everything was done. */
  readonly remaining: readonly Step[];
  /** Where the file says so: set by who knows the file. */
  locate: ((place: Place) => string) | undefined;

  constructor(
    message: string,
    details: { failures?: readonly StepFailure[]; remaining?: readonly Step[] },
    hint: string,
  ) {
    super('apply', message, { hint });
    this.failures = details.failures ?? [];
    this.remaining = details.remaining ?? [];
  }
}

interface PlanOptions {
  /** Namespaces that were read before and that nothing has touched since: they are not read again. */
  readonly untouched?: Live;
  /** Where something was done since then; everywhere else there was no difference. */
  readonly touched?: ReadonlySet<string>;
  /** Lists of a lab that is removed only what is removed in its own right; what goes with a namespace is not read. */
  readonly isBrief?: boolean;
}

/** Reads the kernel and makes the plan; changes nothing. */
export async function planFor(
  engine: Engine,
  target: Target,
  { untouched, touched, isBrief = false }: PlanOptions = {},
): Promise<Planning> {
  if (target.topology !== undefined) requireNetnsFolder();
  const record = readRecord(target.lab);
  const keyed = withKeys(target, false);
  const withoutPorts = keyed && withFormerSettings(withBridgeFilters(keyed), record);
  const request = {
    lab: target.lab,
    declared: new Set(target.topology === undefined ? target.declared : madeNamespaces(target.topology)),
    nat: new Set(target.topology?.namespaces.filter(hasNat).map(({ name }) => name)),
    firewall: new Set(target.topology?.namespaces.filter(hasFirewall).map(({ name }) => name)),
    sysctls: sysctlsToRead(withoutPorts, record),
    ovs: hasOvs(target.topology),
    onlyLinks: isBrief && target.topology === undefined && Object.keys(record.adopted).length === 0,
    dockerUser: needsDockerUser(target.topology, record),
    extra: extraToRead(target.topology, record),
    fdb: new Set([...namespacesWithFdb(target.topology), ...(record.fdb ?? [])]),
    ingress: new Set(
      target.topology?.impairments.flatMap(({ via, namespace }) => (via === undefined ? [] : [namespace])),
    ),
  };
  const longNames = longNamesOf(target.topology);
  if (longNames !== undefined) Object.assign(request, { longNames });
  const found = await proveMarks(
    engine,
    untouched === undefined ? await observe(engine, request) : await observeAgain(engine, request, untouched),
    request,
  );
  const live = withoutPorts === undefined ? found : withNewNames(found, withoutPorts);
  const { lab } = target;
  const findPortUse = portUseFinder(engine, lab, live);
  const topology = withoutPorts && (await choosePorts(withoutPorts, record, findPortUse));
  const wanted = topology && withFoundChains(withDatapath(topology, live), live);
  const planRequest = {
    lab,
    topology: wanted,
    live,
    record: keepShared(withOrphans(record, live), live),
    ...(touched === undefined ? {} : { touched }),
  };
  const plan = makePlan(planRequest);
  if (topology === undefined) return { plan, live, topology };
  const conflicts = [
    ...plan.conflicts,
    ...alternativeNameConflicts(topology, live),
    ...exclusiveConflicts(topology, live, record),
    ...sharedConflicts(plan, lab),
    ...(await portConflicts(plan, topology, findPortUse)),
  ];
  if (topology.interfaces.some(({ kind }) => kind === 'adopted')) {
    const { desired } = plan;
    const resources = readLive(planRequest, desired);
    conflicts.push(...adoptionConflicts({ topology, live, record, desired, found: resources }));
  }
  return { plan: { ...plan, conflicts }, live, topology };
}

/** Where the record is lost, marks count that the two ends of a pair agree on: a second look at those namespaces. */
async function proveMarks(engine: Engine, live: Live, { lab, declared }: Asked): Promise<Live> {
  const unproven = unprovenNamespaces(live, lab, declared);
  if (unproven.length === 0) return live;
  const names = [HOST, ...declared, ...unproven].filter((name) => live.namespaces.has(name));
  const request = { lab: undefined, nat: new Set<string>(), sysctls: new Map(), withPeers: true };
  return withProvenMarks(live, { lab, unproven, peers: await engine.read(names, request) });
}

interface Asked {
  readonly lab: string;
  readonly declared: ReadonlySet<string>;
}

/** A plan, what it was made from, and the topology with what was decided for it. */
interface Planning {
  readonly plan: Plan;
  readonly live: Live;
  readonly topology: Topology | undefined;
}

/** By namespace and kernel's name; undefined where the file has none that is too long. */
function longNamesOf(topology: Topology | undefined): Renames | undefined {
  const found = new Map<string, Map<string, string>>();
  for (const { namespace, name } of topology?.interfaces ?? []) {
    if (!isLongName(name)) continue;
    const names = found.get(namespace) ?? new Map<string, string>();
    found.set(namespace, names.set(kernelName(name), name));
  }
  return found.size === 0 ? undefined : found;
}

/** The topology with what the keys of its WireGuard interfaces say; the others are the same topologies. */
function withKeys({ topology, file }: Target, make: boolean): Topology | undefined {
  return topology === undefined ? undefined : resolveKeys({ topology, file, make });
}

/** Steps of a plan whose memory is worth the time to give it back: hundredths of a second. */
const LARGE_PLAN = 20_000;

export interface ReconcileOptions extends ExecuteOptions {
  /** Whether processes that keep a removed namespace are ended. */
  readonly kill?: boolean;
  /** Called with the plan, before anything is done, also when there is nothing to do. */
  readonly onFirstPlan?: (plan: Plan) => void;
  /** Called when a removal goes on though the record of it cannot be written. */
  readonly onUnwritten?: (reason: string) => void;
  /** Called with each plan that is about to be performed; there are more when the first one left something over. */
  readonly onPlan?: (plan: Plan) => void;
}

/** What came of it; not the plan itself, which would keep a large lab in memory twice. */
export interface ReconcileResult {
  /** Of the first plan. */
  readonly summary: Plan['summary'];
  /** Of the first plan: namespaces that go with all that is in them, and what goes from the host. */
  readonly removed: { readonly namespaces: number; readonly fromHost: number };
  readonly hadNothingToDo: boolean;
  /** Of what looks like the lab's and is left alone. */
  readonly warnings: readonly PlanWarning[];
  readonly interrupted: boolean;
  /** What a lab that is gone could not give back, in sentences. */
  readonly notGivenBack: readonly string[];
  /** What keeps namespaces that were removed. */
  readonly survivors: Survivors;
}

/**
 * Plans, performs the plan, and observes again: the new plan must be empty. What the kernel took along unasked is put
 * back in a second round.
 *
 * @throws ConflictError before anything is changed; ApplyError when a step fails or a difference remains.
 */
export function reconcile(
  engine: Engine,
  target: Target,
  options: ReconcileOptions = {},
): Promise<ReconcileResult> {
  return withLock(async () => {
    engine.hold();
    try {
      tidyUp(target.lab, target.topology);
      return await converge(engine, target, options);
    } finally {
      engine.release();
    }
  }, engine.lock);
}

async function converge(engine: Engine, wanted: Target, options: ReconcileOptions): Promise<ReconcileResult> {
  if (wanted.topology !== undefined) engine.expect?.(madeNamespaces(wanted.topology));
  const first = await planWhenReady(engine, { ...wanted, topology: withKeys(wanted, true) });
  if (notedDamage().length > 0) repairServiceRecords(wanted.lab);
  let { plan, live } = first;
  // What was decided stays for the whole run.
  const target: Target = { ...wanted, topology: first.topology };
  options.onFirstPlan?.(plan);
  const about = {
    summary: plan.summary,
    removed: removedBy(plan),
    hadNothingToDo: plan.steps.length === 0,
    warnings: ownershipWarnings(live, wanted.lab),
  };
  // Looking again is not told each time.
  const quietly = options.signal === undefined ? {} : { signal: options.signal };
  let waited = 0;
  for (let round = 0; round < 4; round += 1) {
    if (plan.conflicts.length > 0) throw new ConflictError(plan.conflicts);
    if (round === 0) requireOvs(plan, live, readRecord(target.lab));
    if (plan.steps.length === 0) {
      const lost = target.topology === undefined ? notGivenBack(readRecord(target.lab)) : [];
      finishRecord(target, plan);
      const survivors = await findSurvivors(target.lab, options.kill === true);
      return { ...about, interrupted: false, notGivenBack: lost, survivors };
    }
    if (round === 0) await requireMachine(engine, plan);
    if (waited === 0) options.onPlan?.(plan);
    const claims = etcFolders(plan.steps, live.etc);
    const { interrupted, failures } = await perform(
      engine,
      target,
      { plan, live, etc: claims },
      { ...(waited === 0 ? options : quietly), isFirst: round === 0 && waited === 0 },
    );
    if (interrupted) return { ...about, interrupted, notGivenBack: [], survivors: noSurvivors };
    if (failures.some(isWithoutCarrier)) {
      if (waited >= carrierPatience(plan.desired, failures)) throw failedWith(target, failures);
      await setTimeout(CARRIER_INTERVAL_MS);
      waited += CARRIER_INTERVAL_MS;
      round -= 1;
    }
    // What is read again is let go of first: in a large lab that is nearly all.
    const touched = touchedNamespaces(plan);
    live = without(live, touched);
    const isLarge = plan.steps.length >= LARGE_PLAN;
    plan = { ...plan, steps: [], batches: [] };
    if (isLarge) (await import('../lib/collect-garbage.ts')).collectGarbage();
    ({ plan, live } = await planFor(engine, target, { untouched: live, touched, isBrief: true }));
  }
  throw new ApplyError(
    `${plan.steps.length} ${plan.steps.length === 1 ? 'difference remains' : 'differences remain'} after everything was done`,
    { remaining: plan.steps },
    'the kernel did not keep what it was asked for, or something else changes it at the same time',
  );
}

function madeNamespaces({ namespaces }: Topology): string[] {
  return namespaces.flatMap(({ name }) => (name === HOST ? [] : [name]));
}

function removedBy({ steps }: Plan): ReconcileResult['removed'] {
  const removals = steps.filter(({ action }) => action === 'delete');
  return {
    namespaces: removals.filter(({ kind }) => kind === 'namespace').length,
    fromHost: removals.filter(({ namespace }) => namespace === HOST).length,
  };
}

function removedNamespaces({ steps }: Plan): string[] {
  const isRemoved = ({ kind, action }: Step) =>
    kind === 'namespace' && (action === 'delete' || action === 'replace');
  return steps.filter(isRemoved).map(({ namespace }) => namespace);
}

function without(live: Live, touched: ReadonlySet<string>): Live {
  return { ...live, namespaces: new Map([...live.namespaces].filter(([name]) => !touched.has(name))) };
}

/**
 * The kernel refuses a route whose preferred source is an IPv6 address still under duplicate address detection, which
 * takes one to two seconds (ip6_route_info_create in net/ipv6/route.c): such a plan waits for it.
 */
async function planWhenReady(engine: Engine, target: Target): Promise<Planning> {
  for (let attempt = 0; ; attempt += 1) {
    const planning = await planFor(engine, target, { isBrief: true });
    const { plan, live } = planning;
    const sources = plan.steps.flatMap(({ kind, after, namespace }) =>
      kind === 'route' && String(after?.['from'] ?? '').includes(':')
        ? [`${namespace} ${after?.['from']}`]
        : [],
    );
    const isWaiting =
      sources.length > 0 && tentativeAddresses(live).some((address) => sources.includes(address));
    if (!isWaiting || attempt >= 50) return planning;
    await setTimeout(100);
  }
}

function tentativeAddresses(live: Live): string[] {
  return [...live.namespaces.values()].flatMap(({ name, links }) =>
    links.flatMap(({ addr_info: addresses = [] }) =>
      addresses.flatMap(({ tentative, dadfailed, local }) =>
        tentative && !dadfailed ? [`${name} ${local}`] : [],
      ),
    ),
  );
}

async function perform(
  engine: Engine,
  target: Target,
  planning: Pick<Planning, 'plan' | 'live'> & { readonly etc: readonly string[] },
  options: ReconcileOptions & { readonly isFirst: boolean },
): Promise<ExecutionResult> {
  const { plan, etc } = planning;
  const claimed = claimRecord(target, planning);
  const folders = [...new Set([...(claimed.etc ?? []), ...etc])].sort();
  const record: LabRecord = folders.length === 0 ? claimed : { ...claimed, etc: folders };
  const isRemoval = target.topology === undefined;
  const unwritten = writeDown(record, { ...options, isRemoval, removed: removedNamespaces(plan) });
  if (unwritten !== undefined) options.onUnwritten?.(unwritten);
  storeKeys(target.topology);
  const result = await execute(engine, plan.batches, options);
  writeDown(withWritten(record, plan, result), { isRemoval, isFirst: false });
  if (result.error !== undefined) throw result.error;
  const isPassing = (failure: StepFailure) => isAlreadyGone(failure) || isWithoutCarrier(failure);
  if (!result.failures.every(isPassing)) throw failedWith(target, result.failures);
  return result;
}

function failedWith({ lab, topology }: Target, failures: readonly StepFailure[]): ApplyError {
  const [first] = failures;
  return new ApplyError(
    `cannot ${first?.step.action ?? 'change'} ${first?.step.resource ?? lab}: ${first?.message ?? ''}`,
    { failures },
    topology === undefined
      ? `what is left is still the lab's: run 'topoweave destroy ${lab}' again`
      : `what was done stays and is the lab's: mend the cause and apply again, or run 'topoweave destroy ${lab}'`,
  );
}

/** A removal that found nothing any more, because the kernel was faster: the next round sees what is left. */
function isAlreadyGone({ command, message }: StepFailure): boolean {
  const isWords = command?.tool === 'ip' || command?.tool === 'bridge' || command?.tool === 'tc';
  const words = isWords ? command.args : [];
  const isRemoval = words[words[0] === '-6' ? 2 : 1] === 'del';
  return (
    isRemoval &&
    /Cannot find device|No such (file|process|device)|Cannot assign|[Aa]ddress not found|FIB table does not exist|Cannot find specified qdisc/.test(
      message,
    )
  );
}

/** What the kernel cannot carry is written down before the first change. */
function claimRecord(target: Target, { plan, live }: Pick<Planning, 'plan' | 'live'>): LabRecord {
  const { topology } = target;
  const record = withFiles(readRecord(target.lab), target);
  const making = plan.steps.filter(({ action }) => action !== 'delete');
  // Of one that is made, the mark comes later; of one that is removed, a file without mark may be left.
  const claims = plan.steps
    .filter(({ kind, action }) => kind === 'namespace' && action !== 'update')
    .map(({ namespace }) => namespace);
  const unmarked = plan.desired.filter(
    (resource) => isHostRoute(resource) || isUnmarkedHostAddress(resource) || isHostExtra(resource),
  );
  const made = new Set(making.filter(({ action }) => action !== 'update').map(({ resource }) => resource));
  const hostObjects = unmarked
    .map(({ id }) => id)
    .filter((id) => made.has(id) || record.hostObjects.includes(id));
  const { ports: _ports, ...rest } = record;
  const claimed: LabRecord = {
    ...rest,
    ...withPorts(topology),
    adopted: claimAdopted(record, plan, { live, topology }),
    ...withOptions({ ...formerOptions(plan), ...record.options }),
    claims: [...new Set([...record.claims, ...claims])].sort(),
    namespaces: [...new Set([...(record.namespaces ?? []), ...ownNamespaces(plan)])].sort(),
    ...(record.ovs === true || plansOvs(plan) ? { ovs: true } : {}),
    ...withFdb([...(record.fdb ?? []), ...namespacesWithFdb(topology)]),
    // While it runs, what is to be removed must stay known: it leaves the record when it is gone.
    hostObjects: [...new Set([...record.hostObjects, ...hostObjects, ...foundByMarks(record, plan)])].sort(),
    sysctls: claimSysctls(record, plan),
  };
  return claimShared(claimed, record, plan);
}

/** Those that are the lab's now, and those that it is about to make or to remove. */
function ownNamespaces({ desired, steps }: Pick<Plan, 'desired' | 'steps'>): string[] {
  return [...desired, ...steps]
    .flatMap(({ kind, namespace }) => (kind === 'namespace' ? [namespace] : []))
    .sort();
}

/** The files of this run instead of those of the last one. */
function withFiles(record: LabRecord, { file, more }: Target): LabRecord {
  if (file === undefined) return record;
  const { file: _file, more: _more, ...rest } = record;
  const hasMore = more !== undefined && more.over.length + Object.keys(more.set).length > 0;
  return { ...rest, file, ...(hasMore ? { more } : {}) };
}

/** Everything is as it should be: claims are over, and a lab without anything has no record. */
function finishRecord(target: Target, plan: Plan): void {
  const { lab, topology } = target;
  forgetKeys(lab, topology);
  forgetServices(lab, topology);
  const record = readRecord(lab);
  const { unused, ...etc } = etcInUse(record.etc ?? [], plan.desired);
  removeEtcFolders(unused);
  if (topology === undefined) {
    removeRecord(lab);
    return;
  }
  const { fdb: _fdb, ovs: _ovs, ports: _ports, etc: _etc, damage: _damage, options = {}, ...rest } = record;
  const recorded = new Set([...record.hostObjects, ...Object.keys(options)]);
  const ids = new Set(plan.desired.flatMap(({ id }) => (recorded.has(id) ? [id] : [])));
  const own: LabRecord = {
    ...withFiles(rest, target),
    ...withPorts(topology),
    ...(plansOvs(plan) ? { ovs: true } : {}),
    ...afterApply(record, plan),
    ...etc,
    claims: [],
    namespaces: ownNamespaces({ desired: plan.desired, steps: [] }),
    // What is not wanted any more is gone; another's object of the same name must not be taken for it later.
    hostObjects: [
      ...new Set([...record.hostObjects.filter((id) => ids.has(id)), ...foundByMarks(record, plan)]),
    ],
    adopted: adoptedInUse(record, plan),
    sysctls: sysctlsInUse(record, plan),
    ...withOptions(Object.fromEntries(Object.entries(options).filter(([id]) => ids.has(id)))),
    ...withFdb(namespacesWithFdb(topology)),
  };
  const next = withShared(own, plan);
  if (JSON.stringify(next) !== JSON.stringify(record)) writeRecord(next);
}

function withPorts(topology: Topology | undefined): Pick<LabRecord, 'ports'> {
  const ports = portsToRecord(topology);
  return Object.keys(ports).length === 0 ? {} : { ports };
}

/** The values that options of the file have now; of an interface that is about to be made, the kernel's own. */
function formerOptions({ desired, steps }: Plan): Record<string, string> {
  const options = desired.filter(({ kind }) => kind === 'option');
  if (options.length === 0) return {};
  const before = new Map(steps.map((step) => [step.resource, step.before?.['value']]));
  return Object.fromEntries(options.map(({ id }) => [id, String(before.get(id) ?? '')]));
}

function withOptions(options: Readonly<Record<string, string>>): Pick<LabRecord, 'options'> {
  return Object.keys(options).length === 0 ? {} : { options };
}

function withFdb(namespaces: readonly string[]): Pick<LabRecord, 'fdb'> {
  return namespaces.length === 0 ? {} : { fdb: [...new Set(namespaces)].sort() };
}

function sysctlsToRead(topology: Topology | undefined, record: LabRecord): Map<string, string[]> {
  const names = topology === undefined ? new Map<string, string[]>() : wantedSysctls(topology);
  for (const [namespace, values] of Object.entries(record.sysctls)) {
    names.set(namespace, [...(names.get(namespace) ?? []), ...Object.keys(values)]);
  }
  const byNetconf = new Set(['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']);
  return new Map(
    [...names].map(([namespace, list]) => [
      namespace,
      [...new Set(list)].filter((name) => !byNetconf.has(name)),
    ]),
  );
}

/** Rules, neighbours and nexthops: where the file wants some, and on the host where the lab made some. */
function extraToRead(topology: Topology | undefined, record: LabRecord): Map<string, Set<ExtraTable>> {
  const tables = new Map<string, Set<ExtraTable>>();
  for (const namespace of topology?.namespaces ?? []) {
    const list = extraTablesOf(namespace);
    if (list.length > 0) tables.set(namespace.name, new Set(list));
  }
  const ofHost = tables.get(HOST) ?? new Set();
  for (const id of record.hostObjects) {
    for (const [table, part] of extraParts) if (part.test(id)) ofHost.add(table);
  }
  if (hasLostObjects(record)) for (const [table] of extraParts) ofHost.add(table);
  // Permanent neighbours of an adopted interface come back with it.
  const adopts = topology?.interfaces.some(({ kind }) => kind === 'adopted') === true;
  if (adopts || Object.keys(record.adopted).length > 0) ofHost.add('neighbors');
  if (ofHost.size > 0) tables.set(HOST, ofHost);
  return tables;
}

const extraParts: readonly (readonly [ExtraTable, RegExp])[] = [
  ['rules', /^host\/rule\//],
  ['neighbors', /^host\/[^/]+\/(neighbor|proxy)\//],
  ['nexthops', /^host\/nexthop\//],
];

/**
 * The protocol number says that one of the host is ours, and the record, that it is this lab's. Rules in chains of others
 * carry its name, and the record says that they are to be looked for.
 */
function isHostExtra({ kind, namespace }: Resource): boolean {
  return namespace === HOST && hostExtras.has(kind);
}

const hostExtras: ReadonlySet<string> = new Set(['rule', 'neighbor', 'nexthop', 'docker-user']);
