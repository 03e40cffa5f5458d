import { disciplineNeeds, disciplinesOf } from '../kinds/discipline-needs.ts';
import { UnavailableError } from '../lib/errors.ts';
import type { Plan } from '../plan/step.ts';
import { run } from '../system/run.ts';

/**
 * Tries the queueing disciplines that a plan makes, as requireLinkKinds does with links.
 *
 * @throws UnavailableError naming what is missing and its modules.
 */
export async function requireDisciplines({ steps }: Pick<Plan, 'steps'>): Promise<void> {
  const wanted = new Set(
    steps.flatMap(({ action, kind, before, after }) => {
      if (action === 'delete' || after === undefined) return [];
      // What is there already needs no try.
      const known = before === undefined ? [] : disciplinesOf({ kind, attributes: before });
      return disciplinesOf({ kind, attributes: after }).filter((name) => !known.includes(name));
    }),
  );
  const missing: string[] = [];
  for (const name of [...wanted].sort()) if (!(await kernelKnows(name))) missing.push(name);
  if (missing.length === 0) return;
  const modules = missing.map((name) => disciplineNeeds.get(name)?.modules).join(' ');
  throw new UnavailableError(
    'kernel-kind',
    `this kernel has no ${missing.map(describe).join(', ')}; nothing was changed`,
    `load the module, if the kernel comes with it: modprobe -a ${modules}; on Debian it is in the package linux-image-amd64`,
  );
}

function describe(name: string): string {
  if (name === 'redirect') return 'redirection of received packets';
  return name === 'netem' ? 'netem, which delays and loses packets' : `queueing discipline ${name}`;
}

async function kernelKnows(name: string): Promise<boolean> {
  const { lines = [] } = disciplineNeeds.get(name) ?? {};
  const input = lines.map((line) => `${line}\n`).join('');
  const { code } = await run(['unshare', '--net', 'tc', '-batch', '-'], { input });
  return code === 0;
}
