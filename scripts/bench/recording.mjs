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
