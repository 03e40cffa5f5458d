import type { Attributes } from '../kinds/resource.ts';
import { endName, type ImpairableLink, linkName } from '../observe/impairable.ts';
import { isTelling } from './plan.ts';
import { formatTable } from './table.ts';

/** One line for each direction of each link that is impaired, and one for each other link. */
export function formatImpairable(links: readonly ImpairableLink[]): string {
  const rows = links.flatMap((link, index) => {
    const impaired = link.ends.filter(({ impairment }) => impairment !== undefined);
    const lines = impaired.map((end) => [endName(end), describeImpairment(end.impairment ?? {})]);
    return (lines.length === 0 ? [['-', '-']] : lines).map((line, at) =>
      at === 0 ? [String(index + 1), link.lab, linkName(link), ...line] : ['', '', '', ...line],
    );
  });
  return formatTable(['NUMBER', 'LAB', 'LINK', 'SENT BY', 'IMPAIRMENT'], rows);
}

/** `delay 50ms, loss 1%` */
export function describeImpairment(attributes: Attributes): string {
  const words = Object.entries(attributes)
    .filter(([name, value]) => name !== 'discipline' && isTelling(name, value))
    .map(([name, value]) => `${name} ${value}`);
  return words.length === 0 ? `queueing discipline ${attributes['discipline']}` : words.join(', ');
}

export function impairableJson(link: ImpairableLink, index: number): object {
  return {
    number: index + 1,
    lab: link.lab,
    link: linkName(link),
    ends: link.ends.map(({ namespace, name, impairment }) => ({
      namespace,
      interface: name,
      impairment: impairment ?? null,
    })),
  };
}
