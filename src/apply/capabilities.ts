import { kernelNeeds, linesToTry } from '../kinds/interface.ts';
import { UnavailableError } from '../lib/errors.ts';
import type { Plan } from '../plan/step.ts';
import { run } from '../system/run.ts';

/**
 * Tries the kinds of links that a plan makes in a network namespace of its own, which goes with the process: a kernel
 * that lacks one is known before anything is touched.
 *
 * @throws UnavailableError naming the kinds and their modules.
 */
export async function requireLinkKinds(plan: Plan): Promise<void> {
  const wanted = new Set(
    plan.steps
      .filter(({ action, kind }) => action !== 'delete' && kernelNeeds.has(kind))
      .map(({ kind }) => kind),
  );
  const missing: string[] = [];
  for (const kind of [...wanted].sort()) {
    if (!(await kernelMakes(kind))) missing.push(kind);
  }
  if (missing.length === 0) return;
  const modules = [...new Set(missing.map((kind) => kernelNeeds.get(kind)?.module ?? kind))].join(' ');
  throw new UnavailableError(
    'kernel-kind',
    `this kernel has no ${missing.join(', ')} links; nothing was changed`,
    `load the module, if the kernel comes with it: modprobe ${modules}; on Debian it is in the package linux-image-amd64`,
  );
}

async function kernelMakes(kind: string): Promise<boolean> {
  const input = linesToTry(kind)
    .map((line) => `${line}\n`)
    .join('');
  const { stderr } = await run(['unshare', '--net', 'ip', '-batch', '-'], { input });
  // iproute2 6.1 passes the kernel's own text on (rtnl_newlink in net/core/rtnetlink.c).
  return !/Unknown device type|not supported|^open: /im.test(stderr);
}
