import { onOff, registerPortCodec, tableCodec, u16, u32 } from './link-codec.ts';
import type { Command, Resource } from './resource.ts';

/** What a link is to the bridge that it is a port of: IFLA_BRPORT_* of linux/if_link.h. */
registerPortCodec(
  'bridge',
  tableCodec({
    priority: u16(2),
    cost: u32(3),
    hairpin: onOff(4),
    guard: onOff(5),
    root_block: onOff(6),
    fastleave: onOff(7),
    learning: onOff(8),
    flood: onOff(9),
    mcast_flood: onOff(27),
    isolated: onOff(33),
  }),
);

/** Changes what a link is to its bridge; the words are those of `bridge_slave` in ip-link(8). */
export function portCommand(
  { namespace, label }: Pick<Resource, 'namespace' | 'label'>,
  words: readonly string[],
): Command {
  return { tool: 'ip', namespace, args: ['link', 'set', 'dev', label, 'type', 'bridge_slave', ...words] };
}
