import type { Exposed } from '../../topology/model.ts';
import type { Context } from './context.ts';
import type { DeclaredNamespace } from './namespaces.ts';
import { expandRange, singlePorts, sizeOf } from './port-range.ts';

/** Fills in what the namespaces of the file expose. */
export function readExposed({ exposed, report }: Context, declared: readonly DeclaredNamespace[]): void {
  for (const { name, raw, place } of declared) {
    if (raw.expose === undefined) continue;
    const seen = new Set<string>();
    const ports = raw.expose.flatMap((entry, index): Exposed[] => {
      const [text = '', protocol = 'tcp'] = String(entry).split('/');
      const port = expandRange(text, { pointer: `${place.pointer}/expose/${index}`, part: 'value' }, report);
      return port === undefined ? [] : withoutSeen({ protocol: protocol as Exposed['protocol'], port }, seen);
    });
    exposed.set(name, ports);
  }
}

/**
 * A port that is named twice, by a namespace and by its member of a network, is one port. Gives back the range as it is,
 * or what is new of it.
 */
export function withoutSeen({ protocol, port }: Exposed, seen: Set<string>): Exposed[] {
  const fresh = singlePorts(port).filter(({ first }) => !seen.has(`${first}/${protocol}`));
  for (const { first } of fresh) seen.add(`${first}/${protocol}`);
  return fresh.length === sizeOf(port)
    ? [{ protocol, port }]
    : fresh.map((single) => ({ protocol, port: single }));
}
