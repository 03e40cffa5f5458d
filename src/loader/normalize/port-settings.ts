import type { Member } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { forwardMask, type PortSettings, type PortVlans } from '../../topology/bridge.ts';
import type { PortRange } from '../../topology/model.ts';
import type { Report } from './problem.ts';

/** The keys of a bridge's port; those of its far end stand beside them and are not looked at. */
export type RawPortSettings = NonNullable<Member>;
export type RawVlans = Pick<RawPortSettings, 'tag' | 'trunks' | 'native'>;

export interface ExpandedPort {
  readonly port: PortSettings | undefined;
  /** undefined: the file names none. */
  readonly vlans: PortVlans | undefined;
}

const LAST_VLAN = 4094;
/** The bits that the kernel refuses, BR_GROUPFWD_RESTRICTED and BR_GROUPFWD_MACPAUSE in net/bridge/br_private.h. */
const NOT_AT_BRIDGE = 0b111;
const PAUSE = 0b010;

const settingNames = [
  'isolated',
  'hairpin',
  'learning',
  'flood',
  'mcast-flood',
  'bcast-flood',
  'mcast-to-unicast',
  'mcast-fast-leave',
  'mcast-router',
  'neigh-suppress',
  'proxy-arp',
  'locked',
  'path-cost',
  'priority',
  'guard',
  'root-block',
] as const satisfies readonly (keyof PortSettings & keyof RawPortSettings)[];

/** What the file says of a port; `base` is the pointer of its settings. */
export function expandPort(raw: RawPortSettings, base: string, report: Report): ExpandedPort {
  const mask = raw['group-forward-mask'];
  const port: PortSettings = Object.fromEntries([
    ...settingNames.flatMap((name) => (raw[name] === undefined ? [] : [[name, raw[name]]])),
    ...(mask === undefined ? [] : [['group-forward-mask', expandMask(mask, 'port', base, report)]]),
  ]);
  return {
    port: Object.keys(port).length === 0 ? undefined : port,
    vlans: expandVlans(raw, base, report),
  };
}

export function expandMask(
  raw: NonNullable<RawPortSettings['group-forward-mask']>,
  where: 'bridge' | 'port',
  base: string,
  report: Report,
): number {
  const mask = forwardMask(raw);
  const refused = mask & (where === 'bridge' ? NOT_AT_BRIDGE : PAUSE);
  if (refused === 0) return mask;
  const names = ['stp', 'pause frames', 'lacp'].filter((_, bit) => (refused & (1 << bit)) !== 0);
  report({
    code: 'forward-mask',
    message: `the kernel does not let a ${where} forward ${names.join(', ')}`,
    place: { pointer: `${base}/group-forward-mask`, part: 'value' },
    help:
      where === 'bridge' && (refused & PAUSE) === 0
        ? 'say so at the ports: each may have a group-forward-mask of its own'
        : 'pause frames (bit 1) end at each device',
  });
  return mask & ~refused;
}

/** `tag` is an access port; `trunks` and `native` are the two halves of a trunk port. */
export function expandVlans(raw: RawVlans, base: string, report: Report): PortVlans | undefined {
  const { tag, trunks, native } = raw;
  if (tag === undefined && trunks === undefined && native === undefined) return undefined;
  if (tag !== undefined && (trunks !== undefined || native !== undefined)) {
    report({
      code: 'vlan',
      message: `tag ${tag} makes an access port, which has no ${trunks === undefined ? 'native' : 'trunks'}`,
      place: { pointer: `${base}/tag`, part: 'key' },
      help: "on a trunk, the VLAN without a tag is 'native'",
    });
  }
  const ranges = (trunks ?? []).flatMap(
    (text, index) => expandRange(text, { pointer: `${base}/trunks/${index}`, part: 'value' }, report) ?? [],
  );
  const untagged = native ?? tag;
  return { native: untagged, trunks: joinRanges(ranges).flatMap((range) => cut(range, untagged)) };
}

function expandRange(raw: number | string, place: Place, report: Report): PortRange | undefined {
  const [first = 0, last = first] = String(raw).split('-').map(Number);
  const outside = [first, last].find((vlan) => vlan < 1 || vlan > LAST_VLAN);
  if (outside !== undefined) {
    report({ code: 'vlan', message: `VLAN ${outside} is not between 1 and ${LAST_VLAN}`, place });
    return undefined;
  }
  if (first <= last) return { first, last };
  report({ code: 'vlan', message: `the range ${raw} runs backwards; write ${last}-${first}`, place });
  return undefined;
}

/** Sorted, and what touches or overlaps as one. */
function joinRanges(ranges: readonly PortRange[]): PortRange[] {
  const joined: PortRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const before = joined.at(-1);
    if (before === undefined || range.first > before.last + 1) joined.push(range);
    else joined[joined.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
  }
  return joined;
}

/** The range without one VLAN. */
function cut({ first, last }: PortRange, vlan: number | undefined): PortRange[] {
  if (vlan === undefined || vlan < first || vlan > last) return [{ first, last }];
  return [
    ...(first < vlan ? [{ first, last: vlan - 1 }] : []),
    ...(vlan < last ? [{ first: vlan + 1, last }] : []),
  ];
}
