import { rankOf } from '../kinds/registry.ts';
import type { Attributes, Resource } from '../kinds/resource.ts';
import { isTelling, resourceTitle } from './plan.ts';

/**
 * Resources as a text in canonical order, one attribute a line: what `plan --diff` compares. Only attributes that the
 * file decides are shown of a live resource.
 */
export function formatDocument(
  resources: readonly Resource[],
  decided: ReadonlyMap<string, Attributes>,
): string {
  const namespaces = new Map<string, Resource[]>();
  for (const resource of resources) {
    const list = namespaces.get(resource.namespace);
    if (list === undefined) namespaces.set(resource.namespace, [resource]);
    else list.push(resource);
  }
  const lines: string[] = [];
  for (const [namespace, list] of [...namespaces].sort(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(`${namespace}:`);
    const sorted = list.sort((a, b) => rankOf(a) - rankOf(b) || (a.id < b.id ? -1 : 1));
    for (const { id, kind, label, attributes } of sorted) {
      if (kind === 'namespace') continue;
      lines.push(`  ${resourceTitle({ kind, label })}:`);
      const known = decided.get(id) ?? attributes;
      for (const name of Object.keys(known).sort()) {
        const value = attributes[name];
        if (value === undefined || !isTelling(name, value)) continue;
        lines.push(`    ${name}: ${Array.isArray(value) ? `[${value.join(', ')}]` : value}`);
      }
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
