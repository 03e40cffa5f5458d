import { AF_UNSPEC, RTM_GETNSID } from './constants.ts';
import { AttributeReader, requestHeader } from './message.ts';
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
    const request = requestHeader(HEADER_SIZE, AF_UNSPEC, [NETNSA_FD, fd]);
    let id: number | undefined;
    socket.get(RTM_GETNSID, [request], (bytes, start, end) => {
      id = new AttributeReader(bytes, start + HEADER_SIZE, end).s32(NETNSA_NSID);
    });
    return id === undefined || id < 0 ? undefined : id;
  } finally {
    close();
  }
}
