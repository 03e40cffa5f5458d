import type { Nat as RawNat } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import type { Masquerade, Nat, OutInterface, Snat } from '../../topology/model.ts';
import type { Context } from './context.ts';
import type { Network } from './network.ts';
import { normalizePublish } from './publish.ts';
import { expandIp, expandPrefix } from './settings.ts';

interface NamespaceNat {
  readonly namespace: string;
  /** The pointer of the section. */
  readonly base: string;
  readonly raw: RawNat | undefined;
  readonly network: Network;
}

/** Thousands of namespaces share it. */
export const noNat: Nat = { masquerade: [], snat: [], publish: [] };

export function normalizeNat(context: Context, { namespace, base, raw, network }: NamespaceNat): Nat {
  if (raw === undefined) return noNat;
  const masquerade = (raw.masquerade ?? []).map((rule, index) =>
    expandSource(context, rule, `${base}/masquerade/${index}`),
  );
  const snat: Snat[] = [];
  for (const [index, rule] of (raw.snat ?? []).entries()) {
    const at = `${base}/snat/${index}`;
    const toPlace: Place = { pointer: `${at}/to`, part: 'value' };
    const source = expandSource(context, rule, at);
    const to = expandIp(rule.to, toPlace, context.report);
    if (to === undefined) continue;
    if (source.from !== undefined && source.from.includes(':') !== to.includes(':')) {
      const message = `${source.from} and ${to} are of different families; a packet cannot change its own`;
      context.report({ code: 'bad-address', message, place: toPlace });
    }
    snat.push({ ...source, to });
  }
  const publish = normalizePublish(context, {
    namespace,
    base: `${base}/publish`,
    raw: raw.publish ?? [],
    network,
  });
  return { masquerade, snat, publish };
}

function expandSource(
  context: Context,
  { from, out }: { from?: string; out?: string },
  base: string,
): Masquerade {
  const place: Place = { pointer: `${base}/from`, part: 'value' };
  return {
    from: from === undefined ? undefined : expandPrefix(from, place, context.report)?.prefix,
    out: out === undefined ? undefined : expandOut(out),
    place: { pointer: base, part: 'value' },
  };
}

function expandOut(text: string): OutInterface {
  return text.startsWith('!') ? { name: text.slice(1), not: true } : { name: text, not: false };
}
