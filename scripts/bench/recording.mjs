// The recordings that floor.mjs replays: what a program asks of the kernel, call by call. topoweave writes one when
// TOPOWEAVE_RECORD names a file. All numbers are little endian; an entry is
//   u8 operation, u32 length of the name, u32 length of the payload, u16 number of relocations,
//   the namespace's name (empty: the host's own), the payload,
//   and for each relocation: u32 offset in the payload, u16 length, name of a namespace.
// Before the payload is sent, the number of the opened /run/netns/NAME is put at the relocation's offset.

export const operations = { make: 1, send: 2, sysctl: 3, nft: 4, remove: 5, read: 6 };

export function encode(entries) {
  return Buffer.concat(entries.flatMap(encodeEntry));
}

export function* decode(buffer) {
  let at = 0;
  const text = (length) => {
    at += length;
    return buffer.toString('utf8', at - length, at);
  };
  while (at < buffer.length) {
    const operation = buffer.readUInt8(at);
    const nameLength = buffer.readUInt32LE(at + 1);
    const payloadLength = buffer.readUInt32LE(at + 5);
    const count = buffer.readUInt16LE(at + 9);
    at += 11;
    const name = text(nameLength);
    const payload = buffer.subarray(at, at + payloadLength);
    at += payloadLength;
    const relocations = [];
    for (let i = 0; i < count; i += 1) {
      const offset = buffer.readUInt32LE(at);
      const length = buffer.readUInt16LE(at + 4);
      at += 6;
      relocations.push({ offset, name: text(length) });
    }
    yield { operation, name, payload, relocations };
  }
}

/** What has to be asked to know the links, addresses, routes and forwarding of namespaces; the empty name is the host. */
export function readings(names) {
  const [GETLINK, GETADDR, GETROUTE, GETNETCONF] = [18, 22, 26, 82];
  const [DUMP, ACK] = [0x300, 0x4];
  const [AF_INET, AF_INET6] = [2, 10];
  const linksWithoutCounters = [29, 8];
  const ofAllInterfaces = [1, 0xffffffff];
  const payloads = [
    request(GETADDR, DUMP, 8, 0),
    request(GETLINK, DUMP, 16, 0, linksWithoutCounters),
    request(GETROUTE, DUMP, 12, 0),
    request(GETNETCONF, ACK, 4, AF_INET, ofAllInterfaces),
    request(GETNETCONF, ACK, 4, AF_INET6, ofAllInterfaces),
  ];
  return encode(
    names.flatMap((name) => payloads.map((payload) => ({ operation: operations.read, name, payload }))),
  );
}

/** A message with a header of zeros but for the family, and at most one number as an attribute. */
function request(type, flags, headerSize, family, attribute) {
  const message = Buffer.alloc(16 + headerSize + (attribute === undefined ? 0 : 8));
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(flags | 1, 6);
  message[16] = family;
  if (attribute !== undefined) {
    message.writeUInt16LE(8, 16 + headerSize);
    message.writeUInt16LE(attribute[0], 16 + headerSize + 2);
    message.writeUInt32LE(attribute[1], 16 + headerSize + 4);
  }
  return message;
}

function encodeEntry({ operation, name, payload = Buffer.alloc(0), relocations = [] }) {
  const header = Buffer.alloc(11);
  header.writeUInt8(operation, 0);
  header.writeUInt32LE(Buffer.byteLength(name), 1);
  header.writeUInt32LE(payload.length, 5);
  header.writeUInt16LE(relocations.length, 9);
  return [header, Buffer.from(name), payload, ...relocations.flatMap(encodeRelocation)];
}

function encodeRelocation({ offset, name }) {
  const header = Buffer.alloc(6);
  header.writeUInt32LE(offset, 0);
  header.writeUInt16LE(Buffer.byteLength(name), 4);
  return [header, Buffer.from(name)];
}
