import { UnavailableError } from '../lib/errors.ts';
import type { Plan } from '../plan/step.ts';
import { run } from '../system/run.ts';

/** Link kinds that come with a module that not every kernel has: the module, and what `ip link add` needs for a try. */
const optionalKinds: Readonly<
  Record<string, { readonly module: string; readonly words: readonly string[] }>
> = {
  gre: { module: 'ip_gre', words: ['remote', '192.0.2.1'] },
  gretap: { module: 'ip_gre', words: ['remote', '192.0.2.1'] },
  ip6gre: { module: 'ip6_gre', words: ['remote', '2001:db8::1'] },
  ip6gretap: { module: 'ip6_gre', words: ['remote', '2001:db8::1'] },
  vxlan: { module: 'vxlan', words: ['id', '1', 'dstport', '4789'] },
};

/**
 * Tries the kinds of links that a plan makes in a network namespace of its own, which goes with the process: a kernel
 * that lacks one is known before anything is touched.
 *
 * @throws UnavailableError naming the kinds and their modules.
 */
export async function requireLinkKinds(plan: Plan): Promise<void> {
  const wanted = new Set(
    plan.steps
      .filter(({ action, kind }) => action !== 'delete' && kind in optionalKinds)
      .map(({ kind }) => kind),
  );
  const missing: string[] = [];
  for (const kind of [...wanted].sort()) {
    const words = optionalKinds[kind]?.words ?? [];
    const { stderr } = await run(['unshare', '--net', 'ip', 'link', 'add', 'probe0', 'type', kind, ...words]);
    // iproute2 6.1 passes the kernel's own text on (rtnl_newlink in net/core/rtnetlink.c).
    if (/Unknown device type|not supported/i.test(stderr)) missing.push(kind);
  }
  if (missing.length === 0) return;
  const modules = [...new Set(missing.map((kind) => optionalKinds[kind]?.module ?? kind))].join(' ');
  throw new UnavailableError(
    'kernel-kind',
    `this kernel has no ${missing.join(', ')} links; nothing was changed`,
    `load the module, if the kernel comes with it: modprobe ${modules}; on Debian it is in the package linux-image-amd64`,
  );
}
