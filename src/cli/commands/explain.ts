import { explain } from '../../explain/explain.ts';
import { readRequest } from '../../explain/request.ts';
import { withTraceTables } from '../../explain/tables.ts';
import { linkBelongsTo } from '../../kinds/marks.ts';
import { TopoweaveError, UsageError } from '../../lib/errors.ts';
import { exitCodes } from '../../lib/exit-codes.ts';
import { listLabs } from '../../observe/labs.ts';
import type { Live } from '../../observe/live.ts';
import { observe } from '../../observe/observe.ts';
import { explanationJson, formatExplanation } from '../../report/explain.ts';
import { painter } from '../../report/style.ts';
import { run as runProgram } from '../../system/run.ts';
import { HOST } from '../../topology/model.ts';
import type { RunCommand } from '../command.ts';
import { engineOf } from '../engine-option.ts';
import { onInterrupt } from '../interrupt.ts';
import { requirePrivileges } from '../lab.ts';

export const run: RunCommand = async (context, { args, options }) => {
  const { io, color } = context;
  const [from = '', to = ''] = args.map(String);
  await requirePrivileges();
  const engine = engineOf(context, options);
  const live = await observe(engine, {
    lab: undefined,
    nat: new Set(),
    sysctls: new Map(),
    withPeers: true,
  });
  if (!live.namespaces.has(from)) {
    throw new UsageError(
      `there is no namespace ${from}`,
      `there are: ${[...live.namespaces.keys()].filter((name) => name !== HOST).join(', ') || 'none'}`,
    );
  }
  const request = readRequest(from, to, live);
  const lab =
    options['lab'] === undefined ? labOf(live, from, request.to, request.address) : String(options['lab']);
  const interrupt = onInterrupt('waits');
  const { signal } = interrupt;
  try {
    const explanation = await withTraceTables(
      (tables) => explain(request, { live, lab, run: runProgram, tables, signal }),
      { lock: engine.lock, signal },
    );
    io.stdout(
      options['json']
        ? `${JSON.stringify(explanationJson(explanation), null, 2)}\n`
        : formatExplanation(explanation, painter(color.stdout)),
    );
    return explanation.verdict === 'answered' ? exitCodes.done : exitCodes.failed;
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    io.stderr('interrupted: what was there to follow the packet is taken away\n');
    return interrupt.exitCode();
  } finally {
    interrupt.stop();
  }
};

/** The lab of the source; of the machine's own namespace, the one that the destination is in, or the only one there is. */
function labOf(live: Live, from: string, to: string, address: string): string {
  const own = live.namespaces.get(from)?.mark?.lab;
  if (own !== undefined) return own;
  if (from === HOST) {
    const owner = [...live.namespaces.values()].find(
      ({ name, links }) =>
        name === to || links.some(({ addr_info: all = [] }) => all.some(({ local }) => local === address)),
    );
    const lab = owner?.mark?.lab ?? labOnHost(live, address);
    if (lab !== undefined) return lab;
    const [only, ...others] = listLabs(live).map(({ name }) => name);
    if (only !== undefined && others.length === 0) return only;
    if (only !== undefined)
      throw new TopoweaveError('no-lab', `${address} is in none of the labs of this machine, or in several`, {
        hint: `say which lab is meant: --lab ${[only, ...others].join(' or ')}`,
      });
  }
  throw new TopoweaveError('no-lab', `namespace ${from} belongs to no lab`, {
    hint: 'explain sends its packets only inside of a lab; name one by --lab',
  });
}

function labOnHost(live: Live, address: string): string | undefined {
  const labs = new Set([...live.namespaces.values()].flatMap(({ mark }) => mark?.lab ?? []));
  const own = live.namespaces
    .get(HOST)
    ?.links.filter(({ addr_info: all = [] }) => all.some(({ local }) => local === address));
  return [...labs].find((lab) => own?.some((link) => linkBelongsTo(link, lab)));
}
