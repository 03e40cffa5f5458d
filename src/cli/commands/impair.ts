import { requireDisciplines } from '../../apply/disciplines.ts';
import { execute } from '../../apply/execute.ts';
import { ApplyError } from '../../apply/reconcile.ts';
import type { Engine } from '../../engine/engine.ts';
import { toAttributes } from '../../kinds/discipline.ts';
import { impairmentResource } from '../../kinds/impairment.ts';
import type { Attributes, LiveResource, Resource } from '../../kinds/resource.ts';
import { TopoweaveError, UsageError } from '../../lib/errors.ts';
import { type ExitCode, exitCodes } from '../../lib/exit-codes.ts';
import { suggest } from '../../loader/suggest.ts';
import {
  endName,
  type ImpairableEnd,
  type ImpairableLink,
  isForeign,
  linkName,
  listImpairable,
} from '../../observe/impairable.ts';
import type { Live } from '../../observe/live.ts';
import { observeMarks } from '../../observe/observe.ts';
import { planBetween } from '../../plan/plan.ts';
import type { Plan } from '../../plan/step.ts';
import { describeImpairment, formatImpairable, impairableJson } from '../../report/impairments.ts';
import { planJson } from '../../report/plan.ts';
import { withLock } from '../../system/lock.ts';
import type { Context, OptionValues, RunCommand } from '../command.ts';
import { engineOf } from '../engine-option.ts';
import { parseImpairment } from '../impairment-words.ts';
import { requirePrivileges } from '../lab.ts';
import { printPlan } from './plan.ts';

export const run: RunCommand = async (context, { args, options }) => {
  const [link, words = []] = args as [string?, (readonly string[])?];
  checkUsage(link, words, options);
  // What is wrong with them is known before anything is looked at.
  if (words.length > 0) parseImpairment(words, 1500);
  await requirePrivileges();
  const engine = engineOf(context, options);
  const lab = options['lab'] === undefined ? undefined : String(options['lab']);
  if (link === undefined)
    return list(context, await observeMarks(engine), { lab, isJson: options['json'] === true });
  const work = () => impair(context, engine, { link, words, lab, options });
  if (options['dryRun']) return work();
  return withLock(async () => {
    engine.hold();
    try {
      return await work();
    } finally {
      engine.release();
    }
  }, engine.lock);
};

function checkUsage(link: string | undefined, words: readonly string[], options: OptionValues): void {
  const isChange = words.length > 0 || options['clear'] === true;
  if (link === undefined && (isChange || options['both']))
    throw new UsageError('name the link', "'topoweave impair' lists the links");
  if (link !== undefined && !isChange)
    throw new UsageError(
      'say what is to happen to its packets, or --clear',
      `for example: topoweave impair ${link} delay=50ms loss=1%`,
    );
  if (words.length > 0 && options['clear']) throw new UsageError('give settings or --clear, not both');
}

function list(
  { io }: Context,
  live: Live,
  { lab, isJson }: { lab: string | undefined; isJson: boolean },
): ExitCode {
  const links = listImpairable(live, lab);
  if (isJson)
    io.stdout(`${JSON.stringify({ schemaVersion: 1, links: links.map(impairableJson) }, null, 2)}\n`);
  else io.stdout(links.length === 0 ? 'No links of a lab on this machine.\n' : formatImpairable(links));
  return exitCodes.done;
}

interface Request {
  readonly link: string;
  readonly words: readonly string[];
  readonly lab: string | undefined;
  readonly options: OptionValues;
}

async function impair(context: Context, engine: Engine, request: Request): Promise<ExitCode> {
  const { link: text, words, lab, options } = request;
  const { io } = context;
  const found = findLink(await observeMarks(engine), text, lab);
  const ends = options['both'] ? found.link.ends : found.ends;
  const plan = planFor(found.link.lab, ends, (end) =>
    options['clear'] ? undefined : toAttributes(parseImpairment(words, end.mtu)),
  );
  const isJson = options['json'] === true;
  const locate = () => '';
  if (options['dryRun']) {
    printPlan(context, plan, { locate, isJson });
    return exitCodes.done;
  }
  await perform(engine, plan);
  if (isJson) {
    io.stdout(`${JSON.stringify({ ...planJson(plan, locate), applied: true }, null, 2)}\n`);
    return exitCodes.done;
  }
  const what =
    plan.desired[0] === undefined ? 'no impairment' : describeImpairment(plan.desired[0].attributes);
  const where =
    ends.length === 2 ? `${linkName(found.link)}, both directions` : `what ${ends.map(endName).join()} sends`;
  io.stdout(`${where}: ${what}\n`);
  io.stdout(`This is for now: the next apply of lab '${plan.lab}' puts back what its file says.\n`);
  return exitCodes.done;
}

/** The link, and those of its ends that are meant: both, or the one that was named. */
function findLink(
  live: Live,
  text: string,
  lab: string | undefined,
): { link: ImpairableLink; ends: readonly ImpairableEnd[] } {
  const links = listImpairable(live, lab);
  const byNumber = /^\d+$/.test(text) ? links[Number(text) - 1] : undefined;
  for (const link of byNumber === undefined ? links : [byNumber]) {
    const names = link.ends.map(endName);
    const isPair = [names.join('--'), [...names].reverse().join('--')].includes(text);
    if (byNumber !== undefined || (isPair && link.ends.length > 1)) return { link, ends: link.ends };
    const end = link.ends.find((other) => endName(other) === text);
    if (end !== undefined) return { link, ends: [end] };
  }
  if (isForeign(live, text))
    throw new TopoweaveError('foreign-link', `${text} belongs to no lab`, {
      hint: 'topoweave never touches what it did not make; use tc itself',
    });
  const where = lab === undefined ? '' : ` of lab '${lab}'`;
  const names = links.flatMap((link) => link.ends.map(endName));
  const near = suggest(text.split('--')[0] ?? '', names);
  const list = `give a number of the list, NAMESPACE:INTERFACE, or both ends joined by --; the list: topoweave impair`;
  throw new TopoweaveError('no-link', `there is no link ${text}${where}`, {
    hint: near === undefined ? list : `did you mean '${near}'? ${list}`,
  });
}

function planFor(
  lab: string,
  ends: readonly ImpairableEnd[],
  wanted: (end: ImpairableEnd) => Attributes | undefined,
): Plan {
  const desired: Resource[] = [];
  const live: LiveResource[] = [];
  for (const end of ends) {
    const place = { namespace: end.namespace, dev: end.name, label: `impairment of ${end.name}` };
    const attributes = wanted(end);
    if (attributes !== undefined) desired.push(impairmentResource(place, attributes));
    if (end.impairment !== undefined)
      live.push({ ...impairmentResource(place, end.impairment), owner: 'ours' });
  }
  return planBetween({ lab, desired, live });
}

async function perform(engine: Engine, plan: Plan): Promise<void> {
  await requireDisciplines(plan);
  const { failures } = await execute(engine, plan.batches);
  const [first] = failures;
  if (first === undefined) return;
  throw new ApplyError(
    `cannot ${first.step.action} ${first.step.resource}: ${first.message}`,
    { failures },
    'apply the file of the lab to be sure of what is there',
  );
}
