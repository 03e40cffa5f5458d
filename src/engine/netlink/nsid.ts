import { RTM_GETNSID } from './constants.ts';
import { AttributeReader } from './message.ts';
import { openNamespace } from './namespace.ts';
import type { NetlinkSocket } from './socket.ts';

const NETNSA_NSID = 1;
const NETNSA_FD = 3;
/** struct rtgenmsg is one byte, aligned. */
const HEADER_SIZE = 4;

/** The id by which the socket's namespace knows another one (`link_netnsid`); undefined where it does not. */
export function namespaceId(socket: NetlinkSocket, namespace: string): number | undefined {
  const { fd, close } = openNamespace(namespace);
  try {
    const request = Buffer.alloc(HEADER_SIZE + 8);
    request.writeUInt16LE(8, HEADER_SIZE);
    request.writeUInt16LE(NETNSA_FD, HEADER_SIZE + 2);
    request.writeUInt32LE(fd, HEADER_SIZE + 4);
    let id: number | undefined;
    socket.get(RTM_GETNSID, [request], (bytes, start, end) => {
      id = new AttributeReader(bytes, start + HEADER_SIZE, end).s32(NETNSA_NSID);
    });
    return id === undefined || id < 0 ? undefined : id;
  } finally {
    close();
  }
}
