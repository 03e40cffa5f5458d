import { countMessages } from '../../system/run.ts';
import {
  AF_NETLINK,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_ROUTE,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSGERR_ATTR_MISS_TYPE,
  NLMSGERR_ATTR_MSG,
  NLMSGERR_ATTR_OFFS,
  SO_RCVBUFFORCE,
  SO_RCVTIMEO,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
} from './constants.ts';
import { SystemCallError } from './errors.ts';
import { type Libc, loadLibc } from './libc.ts';
import { AttributeReader, HEADER_SIZE, type MessageWriter } from './message.ts';

/** What the kernel says of a message that it refuses. */
export interface Refusal {
  readonly sequence: number;
  /** Positive. */
  readonly errno: number;
  /** The kernel's own words (extended acknowledgement), where it has some. */
  readonly text: string | undefined;
  /** Where in the message the attribute begins that it refuses. */
  readonly offset: number | undefined;
  /** The type of an attribute that it misses. */
  readonly missing: number | undefined;
}

/** A message of an answer: its fixed header begins at `start`. */
export type OnMessage = (bytes: Buffer, start: number, end: number, type: number) => void;

/** Whether the bytes of a message stay as they are, or the next answer is written over them. */
type ReadMode = 'keeps' | 'passes';

/** The kernel fills at most 32 KiB of a dump into one answer (netlink_dump in net/netlink/af_netlink.c). */
const RECEIVE_SIZE = 64 * 1024;
/** So that the acknowledgements of a whole batch fit before the first is read. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;
/** The kernel answers rtnetlink before send returns; this only ends a wait that should never be. */
const TIMEOUT_SECONDS = 10;
const DUMP_ATTEMPTS = 20;
const EINTR = 4;
const EAGAIN = 11;
const ENOBUFS = 105;
const MSG_DONTWAIT = 0x40;

const received = Buffer.alloc(RECEIVE_SIZE);

const changeOptions: readonly (readonly [level: number, option: number, value: Buffer])[] = [
  [SOL_NETLINK, NETLINK_EXT_ACK, words(1)],
  [SOL_NETLINK, NETLINK_CAP_ACK, words(1)],
  // struct timeval.
  [SOL_SOCKET, SO_RCVTIMEO, words(TIMEOUT_SECONDS, 0, 0, 0)],
  [SOL_SOCKET, SO_RCVBUFFORCE, words(RECEIVE_BUFFER)],
];

function words(...values: number[]): Buffer {
  return Buffer.from(Uint32Array.from(values).buffer);
}

/**
 * A netlink socket, for routes and links or another protocol, of the namespace that the thread is in when it is made. Everything here is synchronous: a
 * visit to a namespace must not let anything else run.
 */
export class NetlinkSocket {
  readonly fd: number;
  readonly #libc: Libc;
  /** Answers were lost (ENOBUFS): what did not come by now never comes. */
  #isOverrun = false;
  #sequence = 0;
  #isPrepared = false;

  constructor(libc: Libc = loadLibc(), protocol = NETLINK_ROUTE) {
    this.#libc = libc;
    this.fd = this.#libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (this.fd < 0) throw this.#failure('cannot open a netlink socket');
  }

  close(): void {
    this.#libc.close(this.fd);
  }

  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /**
   * Sends messages in one piece and waits for as many acknowledgements. The kernel performs them in order, and goes on
   * behind one that it refuses (netlink_rcv_skb).
   *
   * @throws SystemCallError when the socket fails; what the kernel refuses is returned.
   */
  transact(writer: MessageWriter, count: number): Refusal[] {
    if (count === 0) return [];
    if (!this.#isPrepared) this.#prepare();
    this.#send(writer.bytes, writer.length, count);
    const refusals: Refusal[] = [];
    let waiting = count;
    while (waiting > 0) {
      this.#receive((bytes, start, end, type) => {
        if (type !== NLMSG_ERROR) return;
        waiting -= 1;
        const refusal = readRefusal(bytes, start, end);
        if (refusal.errno !== 0) refusals.push(refusal);
      });
    }
    return refusals;
  }

  /**
   * Asks for all objects of a kind, and again where they changed meanwhile (NLM_F_DUMP_INTR).
   *
   * @param header the fixed header and the attributes of the request.
   * @param restart called before each further attempt: what came so far does not count.
   * @param mode 'keeps' where the bytes of a message are needed behind `onMessage`.
   * @throws SystemCallError with the kernel's errno.
   */
  dump(
    type: number,
    header: Uint8Array,
    onMessage: OnMessage,
    restart: () => void,
    mode: ReadMode = 'passes',
  ): void {
    for (let attempt = 1; attempt <= DUMP_ATTEMPTS; attempt += 1) {
      if (this.#dumpOnce(type, header, onMessage, mode)) return;
      restart();
    }
    throw new SystemCallError('the kernel interrupted the listing each time', EINTR);
  }

  /** The objects of a dump, decoded; those for which `decode` gives undefined are left out. */
  list<T>(
    type: number,
    header: Uint8Array,
    decode: (bytes: Buffer, start: number, end: number) => T | undefined,
    mode: ReadMode = 'passes',
  ): T[] {
    const found: T[] = [];
    const onMessage = (bytes: Buffer, start: number, end: number) => {
      const object = decode(bytes, start, end);
      if (object !== undefined) found.push(object);
    };
    const restart = () => {
      found.length = 0;
    };
    this.dump(type, header, onMessage, restart, mode);
    return found;
  }

  /** Asks for single objects, all at once; of those that are not there nothing comes. */
  get(type: number, headers: readonly Uint8Array[], onMessage: OnMessage): void {
    const requests = headers.map((header) => makeRequest(type, 0, this.nextSequence(), header));
    const bytes = Buffer.concat(requests);
    this.#send(bytes, bytes.length, requests.length);
    let waiting = requests.length;
    while (waiting > 0) {
      this.#receive((answer, start, end, found) => {
        waiting -= 1;
        if (found !== NLMSG_ERROR) onMessage(answer, start, end, found);
      });
    }
  }

  #dumpOnce(type: number, header: Uint8Array, onMessage: OnMessage, mode: ReadMode): boolean {
    const sequence = this.nextSequence();
    const request = makeRequest(type, NLM_F_DUMP, sequence, header);
    this.#send(request, request.length, 1);
    let done = false;
    let isWhole = true;
    while (!done) {
      this.#receive((bytes, start, end, found) => {
        // Of an attempt before this one, which was given up.
        if (bytes.readUInt32LE(start - HEADER_SIZE + 8) !== sequence) return;
        if ((bytes.readUInt16LE(start - HEADER_SIZE + 6) & NLM_F_DUMP_INTR) !== 0) isWhole = false;
        if (found === NLMSG_DONE || found === NLMSG_ERROR) {
          done = true;
          const errno = -bytes.readInt32LE(start);
          if (errno !== 0) throw new SystemCallError('the kernel cannot list its objects', errno);
        } else {
          onMessage(bytes, start, end, found);
        }
      }, mode);
    }
    return isWhole && !this.#isOverrun;
  }

  #send(bytes: Uint8Array, length: number, count: number): void {
    countMessages(count);
    this.#isOverrun = false;
    for (;;) {
      if (this.#libc.send(this.fd, bytes, length, 0) === length) return;
      // A signal came first: nothing was sent (netlink_sendmsg).
      if (this.#libc.errno() !== EINTR) throw this.#failure('cannot send a netlink message');
    }
  }

  /** One answer into `received`. */
  #receiveBytes(): number {
    for (;;) {
      const flags = this.#isOverrun ? MSG_DONTWAIT : 0;
      const length = this.#libc.recv(this.fd, received, received.length, flags);
      if (length >= 0) return length;
      const errno = this.#libc.errno();
      if (errno === EINTR) continue;
      if (errno === ENOBUFS && !this.#isOverrun) {
        // Said once; what was not lost is still there to be read (netlink_overrun).
        this.#isOverrun = true;
        continue;
      }
      if (errno === EAGAIN && this.#isOverrun)
        throw new SystemCallError('the kernel had no room for its answers', ENOBUFS);
      throw this.#failure('no answer from the kernel');
    }
  }

  #receive(onMessage: OnMessage, mode: ReadMode = 'passes'): void {
    const length = this.#receiveBytes();
    const bytes = mode === 'keeps' ? Buffer.from(received.subarray(0, length)) : received;
    for (let at = 0; at + HEADER_SIZE <= length; ) {
      const size = bytes.readUInt32LE(at);
      if (size < HEADER_SIZE || at + size > length)
        throw new RangeError(`a message of ${size} bytes in an answer that has ${length - at} left`);
      onMessage(bytes, at + HEADER_SIZE, at + size, bytes.readUInt16LE(at + 4));
      at += (size + 3) & ~3;
    }
  }

  /** For changes; a socket that only reads goes without. What an older kernel does not know makes its messages poorer. */
  #prepare(): void {
    for (const [level, option, value] of changeOptions)
      this.#libc.setsockopt(this.fd, level, option, value, value.length);
    this.#isPrepared = true;
  }

  #failure(what: string): SystemCallError {
    return new SystemCallError(what, this.#libc.errno());
  }
}

function makeRequest(type: number, flags: number, sequence: number, header: Uint8Array): Buffer {
  const request = Buffer.alloc(HEADER_SIZE + header.length);
  request.writeUInt32LE(request.length, 0);
  request.writeUInt16LE(type, 4);
  request.writeUInt16LE(flags | 1, 6);
  request.writeUInt32LE(sequence, 8);
  request.set(header, HEADER_SIZE);
  return request;
}

/** An acknowledgement: errno, the header of the request, its rest unless capped, then what there is to say. */
function readRefusal(bytes: Buffer, start: number, end: number): Refusal {
  const errno = -bytes.readInt32LE(start);
  const sequence = bytes.readUInt32LE(start + 4 + 8);
  const flags = bytes.readUInt16LE(start - HEADER_SIZE + 6);
  const nothing = { sequence, errno, text: undefined, offset: undefined, missing: undefined };
  if ((flags & NLM_F_ACK_TLVS) === 0) return nothing;
  const requestSize = (flags & NLM_F_CAPPED) !== 0 ? HEADER_SIZE : bytes.readUInt32LE(start + 4);
  const details = new AttributeReader(bytes, start + 4 + ((requestSize + 3) & ~3), end);
  return {
    sequence,
    errno,
    text: details.text(NLMSGERR_ATTR_MSG),
    offset: details.u32(NLMSGERR_ATTR_OFFS),
    missing: details.u32(NLMSGERR_ATTR_MISS_TYPE),
  };
}
