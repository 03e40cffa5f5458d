import { AF_UNSPEC, RTM_GETQDISC } from '../constants.ts';
import { AttributeReader, requestHeader } from '../message.ts';
import type { NetlinkSocket } from '../socket.ts';
import type { LinkNames } from './link.ts';

/** A queueing discipline, as `tc -j qdisc show` prints it, without the options of its kind. */
export interface Qdisc {
  readonly kind: string;
  /** `8001:` */
  readonly handle: string;
  readonly dev: string;
  readonly root?: boolean;
  /** `8001:1`, or `ffff:fff1` for the incoming side. */
  readonly parent?: string;
}

/** Size of struct tcmsg: family, ifindex, handle, parent, info. */
const HEADER_SIZE = 20;
const TCA_KIND = 1;
const ROOT = 0xffffffff;

/** The queueing disciplines of the socket's namespace. */
export function readQdiscs(socket: NetlinkSocket, names: LinkNames): Qdisc[] {
  return socket.list(RTM_GETQDISC, requestHeader(HEADER_SIZE, AF_UNSPEC), (bytes, start, end) => {
    const parent = bytes.readUInt32LE(start + 12);
    return {
      kind: new AttributeReader(bytes, start + HEADER_SIZE, end).text(TCA_KIND) ?? '',
      handle: `${(bytes.readUInt32LE(start + 8) >>> 16).toString(16)}:`,
      dev: names.nameOf(bytes.readInt32LE(start + 4)),
      ...(parent === ROOT ? { root: true } : parent === 0 ? {} : { parent: classId(parent) }),
    };
  });
}

function classId(value: number): string {
  const [major, minor] = [value >>> 16, value & 0xffff];
  return `${major === 0 ? '' : major.toString(16)}:${minor === 0 ? '' : minor.toString(16)}`;
}
