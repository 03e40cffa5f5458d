import { AF_UNSPEC } from './constants.ts';
import { loadLibc } from './libc.ts';
import { AttributeReader } from './message.ts';
import { NetlinkSocket } from './socket.ts';

/** linux/netlink.h. */
const NETLINK_NETFILTER = 12;
/** linux/netfilter/nfnetlink.h: the subsystem is the upper byte of a message's type; then struct nfgenmsg. */
const NFNL_SUBSYS_NFTABLES = 10 << 8;
const HEADER_SIZE = 4;
/** linux/netfilter/nf_tables.h. */
const NFT_MSG_GETTABLE = 1;
const NFTA_TABLE_NAME = 1;
/** linux/netfilter.h: NFPROTO_*, in the words of nft. */
const families: ReadonlyMap<number, string> = new Map([
  [1, 'inet'],
  [2, 'ip'],
  [3, 'arp'],
  [5, 'netdev'],
  [7, 'bridge'],
  [10, 'ip6'],
]);

/** What a kernel without nf_tables answers (nfnetlink_rcv_msg in net/netfilter/nfnetlink.c). */
const unavailable: readonly (string | undefined)[] = ['EINVAL', 'EPROTONOSUPPORT', 'EOPNOTSUPP'];

/**
 * The tables of the namespace that the thread is in, `inet NAME`: where there is none, nft need not be asked. Undefined
 * where the kernel cannot be asked in this way.
 *
 * @throws SystemCallError
 */
export function tableNames(): ReadonlySet<string> | undefined {
  try {
    const socket = new NetlinkSocket(loadLibc(), NETLINK_NETFILTER);
    try {
      const request = Buffer.from([AF_UNSPEC, 0, 0, 0]);
      return new Set(socket.list(NFNL_SUBSYS_NFTABLES | NFT_MSG_GETTABLE, request, nameOf));
    } finally {
      socket.close();
    }
  } catch (error) {
    if (unavailable.includes((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}

function nameOf(bytes: Buffer, start: number, end: number): string | undefined {
  const name = new AttributeReader(bytes, start + HEADER_SIZE, end).text(NFTA_TABLE_NAME);
  const family = bytes[start] ?? 0;
  return name === undefined ? undefined : `${families.get(family) ?? family} ${name}`;
}
