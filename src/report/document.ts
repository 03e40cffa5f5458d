import { kindOf, rankOf } from '../kinds/registry.ts';
import { type Attributes, type Resource, sameValue } from '../kinds/resource.ts';
import { compareNames, groupBy } from '../lib/collections.ts';
import { isTelling, resourceTitle } from './plan.ts';

interface Compared {
  /** The attributes of desired resources. */
  readonly decided: ReadonlyMap<string, Attributes>;
  /** Those of live ones, where desired ones are shown. */
  readonly live?: ReadonlyMap<string, Attributes>;
}

/**
 * Resources as a text in canonical order, one attribute a line: what `plan --diff` compares. Only attributes that the
 * file decides are shown of a live resource.
 */
export function formatDocument(resources: readonly Resource[], { decided, live }: Compared): string {
  const namespaces = groupBy(resources, ({ namespace }) => namespace);
  const lines: string[] = [];
  for (const [namespace, list] of [...namespaces].sort(([a], [b]) => compareNames(a, b))) {
    lines.push(`${namespace}:`);
    const sorted = list.sort((a, b) => rankOf(a) - rankOf(b) || compareNames(a.id, b.id));
    for (const { id, kind, label, attributes } of sorted) {
      if (kind === 'namespace') continue;
      lines.push(`  ${resourceTitle({ kind, label })}:`);
      const known = decided.get(id) ?? attributes;
      const { same = sameValue, conceal } = kindOf({ kind });
      const shown = conceal?.(attributes, live?.get(id)) ?? attributes;
      for (const name of Object.keys(known).sort()) {
        const [own, wanted] = [attributes[name], known[name]];
        // The kernel rounds some values, and that is no difference.
        const isSame = own !== undefined && wanted !== undefined && same(name, wanted, own);
        const value = shown[name] === own && isSame ? wanted : shown[name];
        if (value === undefined || !isTelling(name, value, kind)) continue;
        lines.push(`    ${name}: ${Array.isArray(value) ? `[${value.join(', ')}]` : value}`);
      }
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
