/** Netlink messages as bytes (linux/netlink.h): headers and attributes aligned to four, in the machine's byte order. */
import { NLM_F_ACK, NLM_F_REQUEST } from './constants.ts';

export const HEADER_SIZE = 16;
const ATTRIBUTE_HEADER_SIZE = 4;
/** Bits of an attribute's type that say how it is stored, not which one it is: NLA_F_NESTED, NLA_F_NET_BYTEORDER. */
const TYPE_MASK = 0x3fff;

function align(length: number): number {
  return (length + 3) & ~3;
}

/** Writes messages behind each other into one buffer that grows. */
export class MessageWriter {
  bytes = Buffer.alloc(16 * 1024);
  /** How much of the buffer is written. */
  length = 0;
  #messageStart = 0;

  clear(): void {
    this.length = 0;
  }

  /** Begins a message; what follows is its fixed header, then attributes, then `end`. */
  begin(type: number, flags: number, sequence: number): void {
    this.#messageStart = this.length;
    this.#reserve(HEADER_SIZE);
    const { bytes, length } = this;
    bytes.writeUInt16LE(type, length + 4);
    bytes.writeUInt16LE(flags | NLM_F_REQUEST | NLM_F_ACK, length + 6);
    bytes.writeUInt32LE(sequence, length + 8);
    bytes.writeUInt32LE(0, length + 12);
    this.length += HEADER_SIZE;
  }

  end(): void {
    this.bytes.writeUInt32LE(this.length - this.#messageStart, this.#messageStart);
    this.#pad();
  }

  /** Drops what was written behind this length: a message that could not be finished. */
  cutTo(length: number): void {
    this.length = length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.bytes[this.length] = value;
    this.length += 1;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.bytes.writeUInt16LE(value, this.length);
    this.length += 2;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.bytes.writeUInt32LE(value >>> 0, this.length);
    this.length += 4;
  }

  attributeU8(type: number, value: number): void {
    this.#attribute(type, 1);
    this.u8(value);
    this.#pad();
  }

  /** In network byte order. */
  attributeU16be(type: number, value: number): void {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16BE(value);
    this.attributeBytes(type, bytes);
  }

  attributeU16(type: number, value: number): void {
    this.#attribute(type, 2);
    this.u16(value);
    this.#pad();
  }

  attributeU32(type: number, value: number): void {
    this.#attribute(type, 4);
    this.u32(value);
  }

  attributeBytes(type: number, value: Uint8Array): void {
    this.#attribute(type, value.length);
    this.#reserve(value.length);
    this.bytes.set(value, this.length);
    this.length += value.length;
    this.#pad();
  }

  /** With the NUL behind it that the kernel's string attributes have. */
  attributeText(type: number, value: string): void {
    const size = Buffer.byteLength(value);
    this.#attribute(type, size + 1);
    this.#reserve(size + 1);
    this.bytes.write(value, this.length);
    this.bytes[this.length + size] = 0;
    this.length += size + 1;
    this.#pad();
  }

  /** Writes an attribute that holds attributes. */
  nest(type: number, write: () => void): void {
    const start = this.length;
    this.#attribute(type, 0);
    write();
    this.bytes.writeUInt16LE(this.length - start, start);
  }

  #attribute(type: number, size: number): void {
    this.#reserve(ATTRIBUTE_HEADER_SIZE);
    this.bytes.writeUInt16LE(ATTRIBUTE_HEADER_SIZE + size, this.length);
    this.bytes.writeUInt16LE(type, this.length + 2);
    this.length += ATTRIBUTE_HEADER_SIZE;
  }

  #pad(): void {
    const padding = align(this.length) - this.length;
    this.#reserve(padding);
    this.bytes.fill(0, this.length, this.length + padding);
    this.length += padding;
  }

  #reserve(size: number): void {
    if (this.length + size <= this.bytes.length) return;
    const larger = Buffer.alloc(Math.max(this.bytes.length * 2, this.length + size));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

function attributeLength(bytes: Buffer, at: number, end: number): number {
  const length = bytes.readUInt16LE(at);
  if (length < ATTRIBUTE_HEADER_SIZE || at + length > end)
    throw new RangeError(`an attribute of ${length} bytes in a message that has ${end - at} left`);
  return length;
}

/**
 * Goes through attributes in order, for lists that repeat one type; `start` is where the value begins.
 *
 * @throws RangeError as AttributeReader.
 */
export function eachAttribute(bytes: Buffer, visit: (type: number, start: number) => void): void {
  for (let at = 0; at + ATTRIBUTE_HEADER_SIZE <= bytes.length; ) {
    const length = attributeLength(bytes, at, bytes.length);
    visit(bytes.readUInt16LE(at + 2) & TYPE_MASK, at + ATTRIBUTE_HEADER_SIZE);
    at += align(length);
  }
}

/**
 * The attributes in a range of a message, by type; of one that comes twice, the last. Values are read when asked for.
 *
 * @throws RangeError when an attribute is longer than its message.
 */
export class AttributeReader {
  bytes: Buffer;
  /** Where each attribute begins, by type. */
  readonly #starts: (number | undefined)[] = [];

  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes;
    this.#index(start, end);
  }

  /** Reads another message from now on: where there are thousands, a reader for each would be felt. */
  reset(bytes: Buffer, start: number, end: number): this {
    this.bytes = bytes;
    this.#starts.fill(undefined);
    this.#index(start, end);
    return this;
  }

  #index(start: number, end: number): void {
    const { bytes } = this;
    for (let at = start; at + ATTRIBUTE_HEADER_SIZE <= end; ) {
      this.#starts[bytes.readUInt16LE(at + 2) & TYPE_MASK] = at;
      at += align(attributeLength(bytes, at, end));
    }
  }

  has(type: number): boolean {
    return this.#starts[type] !== undefined;
  }

  /** How many bytes the value has. */
  size(type: number): number {
    const start = this.#starts[type];
    return start === undefined ? 0 : this.bytes.readUInt16LE(start) - ATTRIBUTE_HEADER_SIZE;
  }

  /** Where the value begins in `bytes`. */
  offset(type: number): number | undefined {
    const start = this.#starts[type];
    return start === undefined ? undefined : start + ATTRIBUTE_HEADER_SIZE;
  }

  u8(type: number): number | undefined {
    const start = this.#starts[type];
    return start === undefined ? undefined : this.bytes[start + 4];
  }

  u16(type: number): number | undefined {
    const start = this.#starts[type];
    return start === undefined ? undefined : this.bytes.readUInt16LE(start + 4);
  }

  /** In network byte order, as ports are. */
  u16be(type: number): number | undefined {
    const start = this.#starts[type];
    return start === undefined ? undefined : this.bytes.readUInt16BE(start + 4);
  }

  u32(type: number): number | undefined {
    const start = this.#starts[type];
    return start === undefined ? undefined : this.bytes.readUInt32LE(start + 4);
  }

  s32(type: number): number | undefined {
    const start = this.#starts[type];
    return start === undefined ? undefined : this.bytes.readInt32LE(start + 4);
  }

  /** Without the NUL at its end. */
  text(type: number): string | undefined {
    const start = this.#starts[type];
    if (start === undefined) return undefined;
    let end = start + this.bytes.readUInt16LE(start);
    while (end > start + 4 && this.bytes[end - 1] === 0) end -= 1;
    return this.bytes.toString('utf8', start + 4, end);
  }

  /** The value's own bytes, not a copy. */
  value(type: number): Buffer | undefined {
    const start = this.#starts[type];
    return start === undefined
      ? undefined
      : this.bytes.subarray(start + 4, start + this.bytes.readUInt16LE(start));
  }

  nested(type: number): AttributeReader | undefined {
    const start = this.#starts[type];
    return start === undefined
      ? undefined
      : new AttributeReader(this.bytes, start + 4, start + this.bytes.readUInt16LE(start));
  }
}

/** The fixed header of a request, zero but for the family, and one number as an attribute behind it. */
export function requestHeader(
  size: number,
  family: number,
  attribute?: readonly [type: number, value: number],
): Buffer {
  if (attribute === undefined) {
    const header = Buffer.alloc(size);
    header[0] = family;
    return header;
  }
  const [type, value] = attribute;
  const request = Buffer.alloc(size + ATTRIBUTE_HEADER_SIZE + 4);
  request[0] = family;
  request.writeUInt16LE(ATTRIBUTE_HEADER_SIZE + 4, size);
  request.writeUInt16LE(type, size + 2);
  request.writeUInt32LE(value, size + ATTRIBUTE_HEADER_SIZE);
  return request;
}
