import { runChecks } from '../../check/run-checks.ts';
import { TopoweaveError } from '../../lib/errors.ts';
import { exitCodes } from '../../lib/exit-codes.ts';
import { checksJson, formatChecks } from '../../report/checks.ts';
import { painter } from '../../report/style.ts';
import { listNamespaces } from '../../system/netns.ts';
import { HOST, type Topology } from '../../topology/model.ts';
import type { RunCommand } from '../command.ts';
import { chosenFiles } from '../files.ts';
import { onInterrupt } from '../interrupt.ts';
import { loadLab, requirePrivileges } from '../lab.ts';

export const run: RunCommand = async (context, invocation) => {
  const { io, color } = context;
  const { options } = invocation;
  const choice = chosenFiles(io, invocation);
  const { file } = choice;
  const { topology, locate } = await loadLab(context, choice);
  if (topology.checks.length > 0) {
    await requirePrivileges();
    requireApplied(topology, file);
  }
  const interrupt = onInterrupt();
  try {
    const results = await runChecks(topology, { signal: interrupt.signal });
    if (options['json']) {
      io.stdout(`${JSON.stringify(checksJson(topology.name, results, locate), null, 2)}\n`);
    } else {
      io.stdout(
        results.length === 0
          ? `${file} has no checks\n`
          : formatChecks(results, locate, painter(color.stdout)),
      );
    }
    return results.every(({ ok }) => ok) ? exitCodes.done : exitCodes.failed;
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    io.stderr('interrupted: the checks were not finished\n');
    return interrupt.exitCode();
  } finally {
    interrupt.stop();
  }
};

function requireApplied({ name, namespaces }: Topology, file: string): void {
  const existing = new Set(listNamespaces().names);
  const missing = namespaces
    .map((namespace) => namespace.name)
    .filter((it) => it !== HOST && !existing.has(it));
  if (missing.length === 0) return;
  const what =
    missing.length === 1
      ? `namespace ${missing[0]} does not exist`
      : `namespaces ${missing.join(', ')} do not exist`;
  throw new TopoweaveError('not-applied', `lab ${name} is not applied: ${what}`, {
    hint: `run: topoweave apply ${file}`,
  });
}
