// Just enough of rtnetlink's format to describe a lab.

const REQUEST_ACK = 0x1 | 0x4;
const CREATE = 0x400 | 0x200;
const [NEWLINK, NEWADDR, NEWROUTE] = [16, 20, 24];
const UP = 1;

/** One message, and where in it the number of an opened namespace is to be put: { bytes, relocations }. */
class Message {
  #bytes = [];
  #relocations = [];

  constructor(type, flags, header) {
    this.#bytes.push(...u32(0), ...u16(type), ...u16(flags), ...u32(0), ...u32(0), ...header);
  }

  attribute(type, value) {
    this.#bytes.push(...u16(4 + value.length), ...u16(type), ...value);
    while (this.#bytes.length % 4 !== 0) this.#bytes.push(0);
    return this;
  }

  nested(type, fill) {
    const start = this.#bytes.length;
    this.#bytes.push(0, 0, ...u16(type));
    fill(this);
    this.#bytes.splice(start, 2, ...u16(this.#bytes.length - start));
    return this;
  }

  raw(bytes) {
    this.#bytes.push(...bytes);
    return this;
  }

  namespace(type, name) {
    this.#relocations.push({ offset: this.#bytes.length + 4, name });
    return this.attribute(type, u32(0));
  }

  finish() {
    this.#bytes.splice(0, 4, ...u32(this.#bytes.length));
    return { bytes: Buffer.from(this.#bytes), relocations: this.#relocations };
  }
}

/** Both ends get their numbers here, so that later messages know them. */
export function addVeth(a, b) {
  const end = (message, { namespace, name }) => message.attribute(3, text(name)).namespace(28, namespace);
  const message = new Message(NEWLINK, REQUEST_ACK | CREATE, linkHeader(a.index));
  return end(message, a)
    .nested(18, (info) =>
      info
        .attribute(1, text('veth'))
        .nested(2, (data) => data.nested(1, (peer) => end(peer.raw(linkHeader(b.index)), b))),
    )
    .finish();
}

export function addBridge({ index, name, stp }) {
  return new Message(NEWLINK, REQUEST_ACK | CREATE, linkHeader(index, UP))
    .attribute(3, text(name))
    .nested(18, (info) =>
      info.attribute(1, text('bridge')).nested(2, (data) => data.attribute(5, u32(stp ? 1 : 0))),
    )
    .finish();
}

export function setUp(index, master) {
  const message = new Message(NEWLINK, REQUEST_ACK, linkHeader(index, UP));
  return (master === undefined ? message : message.attribute(10, u32(master))).finish();
}

export function addAddress(index, address) {
  const [host, length] = address.split('/');
  return new Message(NEWADDR, REQUEST_ACK | CREATE, [2, Number(length), 0, 0, ...u32(index)])
    .attribute(2, ipv4(host))
    .attribute(1, ipv4(host))
    .finish();
}

export function addDefaultRoute(via) {
  const [main, byAdmin, unicast] = [254, 4, 1];
  const header = [2, 0, 0, 0, main, byAdmin, 0, unicast, ...u32(0)];
  return new Message(NEWROUTE, REQUEST_ACK | CREATE, header).attribute(5, ipv4(via)).finish();
}

function linkHeader(index, up = 0) {
  return [0, 0, 0, 0, ...u32(index), ...u32(up), ...u32(up)];
}

function ipv4(address) {
  return address.split('.').map(Number);
}

function text(value) {
  return [...Buffer.from(value), 0];
}

function u16(value) {
  return [value & 255, value >> 8];
}

function u32(value) {
  return [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
}
