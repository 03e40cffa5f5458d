import type { LinkNames } from '../../../kinds/link-codec.ts';
import type { IpLink, TcFilter } from '../../../observe/live.ts';
import { RTM_GETTFILTER } from '../constants.ts';
import { AttributeReader } from '../message.ts';
import { ACT, INGRESS_SIDE, MIRRED_PARMS, TCA, U32 } from '../qdisc-constants.ts';
import type { NetlinkSocket } from '../socket.ts';

/** Size of struct tcmsg. */
const HEADER_SIZE = 20;
/** TCA_EGRESS_REDIR. */
const EGRESS_REDIRECT = 1;

/** The filters of the incoming side of links, as `tc -j filter show dev DEV ingress` prints them, as far as live.ts does. */
export function readFilters(socket: NetlinkSocket, links: readonly IpLink[], names: LinkNames): TcFilter[] {
  return links.flatMap(({ ifindex, ifname: dev }) => {
    const header = Buffer.alloc(HEADER_SIZE);
    header.writeInt32LE(ifindex, 4);
    header.writeUInt32LE(INGRESS_SIDE, 12);
    return socket.list(RTM_GETTFILTER, header, (bytes, start, end): TcFilter => {
      const attributes = new AttributeReader(bytes, start + HEADER_SIZE, end);
      const kind = attributes.text(TCA.KIND) ?? '';
      const actions = kind === 'u32' ? attributes.nested(TCA.OPTIONS)?.nested(U32.ACT) : undefined;
      const first = actions?.nested(1);
      return {
        dev,
        pref: bytes.readUInt32LE(start + 16) >>> 16,
        kind,
        ...(first === undefined ? {} : { options: { actions: [decodeAction(first, names)] } }),
      };
    });
  });
}

/** struct tc_mirred: index, capabilities, action, two counters, then what is done and to which device. */
function decodeAction(action: AttributeReader, names: LinkNames) {
  const kind = action.text(ACT.KIND) ?? '';
  const parameters = action.nested(ACT.OPTIONS)?.value(MIRRED_PARMS);
  if (kind !== 'mirred' || parameters === undefined) return { kind };
  const index = parameters.readUInt32LE(24);
  return {
    kind,
    mirred_action: parameters.readInt32LE(20) === EGRESS_REDIRECT ? 'redirect' : 'other',
    to_dev: index === 0 ? '*' : names.nameOf(index),
  };
}
