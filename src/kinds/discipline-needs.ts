import type { Attributes } from './resource.ts';

/** What a kernel must have for impairments, and lines of `tc -batch` that try it in a network namespace of their own. */
export interface DisciplineNeed {
  readonly modules: string;
  readonly lines: readonly string[];
}

export const disciplineNeeds: ReadonlyMap<string, DisciplineNeed> = new Map([
  ['netem', { modules: 'sch_netem', lines: ['qdisc add dev lo root netem limit 1'] }],
  [
    'tbf',
    { modules: 'sch_tbf', lines: ['qdisc add dev lo root tbf rate 1000000bit burst 5000b limit 10000b'] },
  ],
  [
    'redirect',
    {
      modules: 'sch_ingress cls_u32 act_mirred',
      lines: [
        'qdisc add dev lo ingress',
        'filter add dev lo parent ffff: protocol all pref 1 u32 match u32 0 0 action mirred egress redirect dev lo',
      ],
    },
  ],
]);

/** Which of them a resource needs. */
export function disciplinesOf({
  kind,
  attributes,
}: {
  readonly kind: string;
  readonly attributes: Attributes;
}): string[] {
  if (kind === 'redirect') return ['redirect'];
  return kind === 'impairment' ? String(attributes['discipline']).split('+') : [];
}
