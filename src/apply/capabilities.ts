import { kernelFeatures, kernelNeeds, linesToTry } from '../kinds/interface.ts';
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
  await requireFeatures(plan);
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

/** The same for parts of kinds that every kernel has. */
async function requireFeatures({ steps }: Plan): Promise<void> {
  for (const { name, isNeeded, kind, words, brings } of kernelFeatures) {
    const step = steps.find(
      ({ action, kind: made, after }) =>
        action !== 'delete' && after !== undefined && isNeeded({ kind: made, attributes: after }),
    );
    if (step === undefined || (await kernelTakes([['link add name probe0 type', kind, ...words].join(' ')])))
      continue;
    throw new UnavailableError('kernel-feature', `this kernel has no ${name}; nothing was changed`, brings);
  }
}

interface FirewallFeature {
  readonly name: string;
  readonly word: RegExp;
  /** A rule with it. */
  readonly rule: string;
  readonly module: string;
}

/** What not every kernel can do in the family bridge. */
const bridgeFeatures: readonly FirewallFeature[] = [
  { name: 'reject', word: /\breject\b/, rule: 'reject', module: 'nft_reject_bridge' },
  { name: 'state', word: /\bct (state|status)\b/, rule: 'ct state new', module: 'nf_conntrack_bridge' },
];

/**
 * Tries what rules of bridges need in a network namespace of its own.
 *
 * @throws UnavailableError naming the key of the rule.
 */
export async function requireFirewallFeatures({ steps }: Plan): Promise<void> {
  const rules = steps.flatMap(({ action, kind, after }) =>
    action !== 'delete' && kind === 'bridge-firewall' ? ((after?.['rules'] ?? []) as readonly string[]) : [],
  );
  for (const { name, word, rule, module } of bridgeFeatures) {
    if (!rules.some((text) => word.test(text.replaceAll(/"[^"]*"/g, '')))) continue;
    const table = `table bridge probe { chain input { type filter hook input priority 0; ${rule}; }; }\n`;
    const { code } = await run(['unshare', '--net', 'nft', '-f', '-'], { input: table });
    if (code === 0) continue;
    throw new UnavailableError(
      'kernel-feature',
      `this kernel has no '${name}' for rules of a bridge; nothing was changed`,
      `load the module, if the kernel comes with it: modprobe ${module}; on Debian it is in the package linux-image-amd64`,
    );
  }
}

async function kernelMakes(kind: string): Promise<boolean> {
  return kernelTakes(linesToTry(kind));
}

async function kernelTakes(lines: readonly string[]): Promise<boolean> {
  const input = lines.map((line) => `${line}\n`).join('');
  const { stderr } = await run(['unshare', '--net', 'ip', '-batch', '-'], { input });
  // iproute2 6.1 passes the kernel's own text on (rtnl_newlink in net/core/rtnetlink.c).
  return !/Unknown device type|not supported|^open: /im.test(stderr);
}
