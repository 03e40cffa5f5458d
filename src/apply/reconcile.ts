import { setTimeout } from 'node:timers/promises';
import type { Engine, StepFailure } from '../engine/engine.ts';
import { isUnmarkedHostAddress } from '../kinds/address.ts';
import { isHostRoute } from '../kinds/route.ts';
import { wantedSysctls } from '../kinds/sysctl.ts';
import type { Place } from '../lib/diagnostic.ts';
import { TopoweaveError } from '../lib/errors.ts';
import type { Live } from '../observe/live.ts';
import { observe, observeAgain } from '../observe/observe.ts';
import { makePlan } from '../plan/plan.ts';
import { type Conflict, type Plan, type Step, touchedNamespaces } from '../plan/step.ts';
import { withLock } from '../system/lock.ts';
import { type LabRecord, readRecord, removeRecord, writeRecord } from '../system/record.ts';
import { hasNat, type Topology } from '../topology/model.ts';
import { requireLinkKinds } from './capabilities.ts';
import { type ExecuteOptions, type ExecutionResult, execute } from './execute.ts';
import { hasOvs, plansOvs, requireOvs, withDatapath } from './ovs.ts';

/** What is wanted: a topology, or, without one, that nothing of the lab is left. */
export interface Target {
  readonly lab: string;
  readonly topology: Topology | undefined;
  /** The absolute path of the file, for `status`. */
  readonly file?: string;
}

/** Foreign objects are in the way of declared names: nothing was changed. */
export class ConflictError extends TopoweaveError {
  readonly conflicts: readonly Conflict[];

  constructor(conflicts: readonly Conflict[]) {
    super(
      'conflict',
      `${conflicts.length} declared ${conflicts.length === 1 ? 'name is' : 'names are'} taken; nothing was changed`,
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

/**
 * Reads the kernel and makes the plan; changes nothing.
 *
 * @param untouched namespaces that were read before and that nothing has touched since: they are not read again.
 */
export async function planFor(
  engine: Engine,
  target: Target,
  untouched?: Live,
): Promise<{ plan: Plan; live: Live }> {
  const record = readRecord(target.lab);
  const request = {
    lab: target.lab,
    nat: new Set(target.topology?.namespaces.filter(hasNat).map(({ name }) => name)),
    sysctls: sysctlsToRead(target.topology, record),
    ovs: hasOvs(target.topology),
  };
  const live =
    untouched === undefined ? await observe(engine, request) : await observeAgain(engine, request, untouched);
  const topology = target.topology && withDatapath(target.topology, live);
  return { plan: makePlan({ lab: target.lab, topology, live, record }), live };
}

export interface ReconcileOptions extends ExecuteOptions {
  /** Called with the plan, before anything is done, also when there is nothing to do. */
  readonly onFirstPlan?: (plan: Plan) => void;
  /** Called with each plan that is about to be performed; there are more when the first one left something over. */
  readonly onPlan?: (plan: Plan) => void;
}

/** What came of it; not the plan itself, which would keep a large lab in memory twice. */
export interface ReconcileResult {
  /** Of the first plan. */
  readonly summary: Plan['summary'];
  readonly hadNothingToDo: boolean;
  readonly interrupted: boolean;
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
      return await converge(engine, target, options);
    } finally {
      engine.release();
    }
  }, engine.lock);
}

async function converge(engine: Engine, target: Target, options: ReconcileOptions): Promise<ReconcileResult> {
  let { plan, live } = await planWhenReady(engine, target);
  options.onFirstPlan?.(plan);
  const { summary } = plan;
  const hadNothingToDo = plan.steps.length === 0;
  for (let round = 0; round < 4; round += 1) {
    if (plan.conflicts.length > 0) throw new ConflictError(plan.conflicts);
    if (round === 0) requireOvs(plan, live, readRecord(target.lab));
    if (plan.steps.length === 0) {
      finishRecord(target, plan);
      return { summary, hadNothingToDo, interrupted: false };
    }
    if (round === 0) await requireLinkKinds(plan);
    options.onPlan?.(plan);
    const { interrupted } = await perform(engine, target, plan, options);
    if (interrupted) return { summary, hadNothingToDo, interrupted };
    // What is read again is let go of first: in a large lab that is nearly all.
    live = without(live, touchedNamespaces(plan));
    plan = { ...plan, steps: [], batches: [] };
    ({ plan, live } = await planFor(engine, target, live));
  }
  throw new ApplyError(
    `${plan.steps.length} ${plan.steps.length === 1 ? 'difference remains' : 'differences remain'} after everything was done`,
    { remaining: plan.steps },
    'the kernel did not keep what it was asked for, or something else changes it at the same time',
  );
}

function without(live: Live, touched: ReadonlySet<string>): Live {
  return { ...live, namespaces: new Map([...live.namespaces].filter(([name]) => !touched.has(name))) };
}

/**
 * The kernel refuses a route whose preferred source is an IPv6 address still under duplicate address detection, which
 * takes one to two seconds (ip6_route_info_create in net/ipv6/route.c): such a plan waits for it.
 */
async function planWhenReady(engine: Engine, target: Target): Promise<{ plan: Plan; live: Live }> {
  for (let attempt = 0; ; attempt += 1) {
    const { plan, live } = await planFor(engine, target);
    const sources = plan.steps.flatMap(({ kind, after, namespace }) =>
      kind === 'route' && String(after?.['from'] ?? '').includes(':')
        ? [`${namespace} ${after?.['from']}`]
        : [],
    );
    const isWaiting =
      sources.length > 0 && tentativeAddresses(live).some((address) => sources.includes(address));
    if (!isWaiting || attempt >= 50) return { plan, live };
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
  plan: Plan,
  options: ExecuteOptions,
): Promise<ExecutionResult> {
  const record = claimRecord(target, plan);
  writeRecord(record);
  const result = await execute(engine, plan.batches, options);
  writeRecord(addSysctls(record, plan, result));
  if (!result.failures.every(isAlreadyGone)) {
    const [first] = result.failures;
    throw new ApplyError(
      `cannot ${first?.step.action ?? 'change'} ${first?.step.resource ?? target.lab}: ${first?.message ?? ''}`,
      { failures: result.failures },
      target.topology === undefined
        ? `what is left is still the lab's: run 'topoweave destroy ${target.lab}' again`
        : `what was done stays and is the lab's: mend the cause and apply again, or run 'topoweave destroy ${target.lab}'`,
    );
  }
  return result;
}

/** A removal that found nothing any more, because the kernel was faster: the next round sees what is left. */
function isAlreadyGone({ command, message }: StepFailure): boolean {
  const isRemoval = (command?.tool === 'ip' || command?.tool === 'bridge') && command.args[1] === 'del';
  return (
    isRemoval &&
    /Cannot find device|No such (file|process|device)|Cannot assign|[Aa]ddress not found|FIB table does not exist/.test(
      message,
    )
  );
}

/** What the kernel cannot carry is written down before the first change. */
function claimRecord({ lab, file }: Target, plan: Plan): LabRecord {
  const record = readRecord(lab);
  const making = plan.steps.filter(({ action }) => action !== 'delete');
  const claims = making.filter(({ kind }) => kind === 'namespace').map(({ namespace }) => namespace);
  const unmarked = plan.desired.filter(
    (resource) => isHostRoute(resource) || isUnmarkedHostAddress(resource),
  );
  const made = new Set(making.filter(({ action }) => action !== 'update').map(({ resource }) => resource));
  const hostObjects = unmarked
    .map(({ id }) => id)
    .filter((id) => made.has(id) || record.hostObjects.includes(id));
  const sysctls: Record<string, Record<string, string>> = structuredClone(record.sysctls);
  for (const { kind, namespace, before, action } of plan.steps) {
    if (kind !== 'sysctl' || action === 'delete' || before === undefined) continue;
    sysctls[namespace] = { [String(before['name'])]: String(before['value']), ...sysctls[namespace] };
  }
  return {
    ...record,
    ...(file === undefined ? {} : { file }),
    claims: [...new Set([...record.claims, ...claims])].sort(),
    ...(record.ovs === true || plansOvs(plan) ? { ovs: true } : {}),
    // While it runs, what is to be removed must stay known: it leaves the record when it is gone.
    hostObjects: [...new Set([...record.hostObjects, ...hostObjects])].sort(),
    sysctls,
  };
}

function addSysctls(record: LabRecord, plan: Plan, { sysctlsBefore, failures }: ExecutionResult): LabRecord {
  const sysctls: Record<string, Record<string, string>> = structuredClone(record.sysctls);
  for (const [namespace, values] of sysctlsBefore) {
    sysctls[namespace] = { ...Object.fromEntries(values), ...sysctls[namespace] };
  }
  if (failures.length === 0) {
    for (const { kind, namespace, before, action } of plan.steps) {
      if (action !== 'delete') continue;
      if (kind === 'sysctl') delete sysctls[namespace]?.[String(before?.['name'])];
      if (kind === 'namespace') delete sysctls[namespace];
    }
  }
  return { ...record, sysctls };
}

/** Everything is as it should be: claims are over, and a lab without anything has no record. */
function finishRecord({ lab, topology, file }: Target, plan: Plan): void {
  if (topology === undefined) {
    removeRecord(lab);
    return;
  }
  const record = readRecord(lab);
  const wanted = new Set(topology.namespaces.flatMap(({ name }) => (name === 'host' ? [] : [name])));
  const sysctls = Object.fromEntries(
    Object.entries(record.sysctls).filter(
      ([namespace, values]) =>
        (namespace === 'host' || wanted.has(namespace)) && Object.keys(values).length > 0,
    ),
  );
  const ids = new Set(plan.desired.map(({ id }) => id));
  const { ovs: _, ...kept } = record;
  const next: LabRecord = {
    ...kept,
    ...(plansOvs(plan) ? { ovs: true } : {}),
    ...(file === undefined ? {} : { file }),
    claims: [],
    // What is not wanted any more is gone; another's object of the same name must not be taken for it later.
    hostObjects: record.hostObjects.filter((id) => ids.has(id)),
    sysctls,
  };
  if (JSON.stringify(next) !== JSON.stringify(record)) writeRecord(next);
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
