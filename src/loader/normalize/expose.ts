import type { Exposed } from '../../topology/model.ts';
import type { Context } from './context.ts';
import type { DeclaredNamespace } from './namespaces.ts';
import { expandRange } from './port-range.ts';

/** Fills in what the namespaces of the file expose. */
export function readExposed({ exposed, report }: Context, declared: readonly DeclaredNamespace[]): void {
  for (const { name, raw, place } of declared) {
    if (raw.expose === undefined) continue;
    const ports = raw.expose.flatMap((entry, index): Exposed[] => {
      const [text = '', protocol = 'tcp'] = String(entry).split('/');
      const port = expandRange(text, { pointer: `${place.pointer}/expose/${index}`, part: 'value' }, report);
      return port === undefined ? [] : [{ protocol: protocol as Exposed['protocol'], port }];
    });
    exposed.set(name, ports);
  }
}
