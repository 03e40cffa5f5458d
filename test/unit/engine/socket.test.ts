import { expect, test } from 'vitest';
import type { Libc } from '../../../src/engine/netlink/libc.ts';
import { AttributeReader, MessageWriter } from '../../../src/engine/netlink/message.ts';
import { NetlinkSocket } from '../../../src/engine/netlink/socket.ts';

const DONE = 3;
const INTERRUPTED = 0x10;

/** One message of an answer: a link with an index, or the end. */
function message(type: number, flags: number, value: number): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt32LE(20, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeInt32LE(value, 16);
  return bytes;
}

/** A kernel that gives these answers, one for each time that it is asked. */
function kernel(answers: readonly Buffer[]): { libc: Libc; sent: number[] } {
  const sent: number[] = [];
  let next = 0;
  let sequence = 0;
  const libc = {
    socket: () => 7,
    setsockopt: () => 0,
    close: () => 0,
    send: (_fd: number, bytes: Uint8Array, length: number) => {
      sequence = Buffer.from(bytes).readUInt32LE(8);
      sent.push(length);
      return length;
    },
    recv: (_fd: number, bytes: Uint8Array) => {
      const answer = answers[next] ?? message(DONE, 0, 0);
      next += 1;
      bytes.set(answeringTo(answer, sequence));
      return answer.length;
    },
    errno: () => 0,
    strerror: () => 'the text of the errno',
  } as unknown as Libc;
  return { libc, sent };
}

/** An answer has the sequence number of its request. */
function answeringTo(answer: Buffer, sequence: number): Buffer {
  const bytes = Buffer.from(answer);
  for (let at = 0; at + 16 <= bytes.length; at += Math.max(16, bytes.readUInt32LE(at)))
    bytes.writeUInt32LE(sequence, at + 8);
  return bytes;
}

function dump(answers: readonly Buffer[]): { found: number[]; requests: number } {
  const { libc, sent } = kernel(answers);
  const found: number[] = [];
  new NetlinkSocket(libc).dump(
    18,
    Buffer.alloc(16),
    (bytes, start) => found.push(bytes.readInt32LE(start)),
    () => {
      found.length = 0;
    },
  );
  return { found, requests: sent.length };
}

test('a dump that the kernel interrupted is asked for again, and what came before does not count', () => {
  const { found, requests } = dump([
    Buffer.concat([message(16, 0, 1), message(16, INTERRUPTED, 2)]),
    message(DONE, INTERRUPTED, 0),
    Buffer.concat([message(16, 0, 3), message(DONE, 0, 0)]),
  ]);
  expect(found).toEqual([3]);
  expect(requests).toBe(2);
});

test('a dump that is interrupted each time ends in an error', () => {
  expect(() => dump(Array.from({ length: 100 }, () => message(DONE, INTERRUPTED, 0)))).toThrow(
    /interrupted the listing each time/,
  );
});

test('a dump that the kernel refuses is an error with its errno', () => {
  expect(() => dump([message(DONE, 0, -95)])).toThrow(/cannot list its objects/);
});

test('an answer that is cut off, or says that it is longer than it is, is an error', () => {
  const long = message(16, 0, 1);
  long.writeUInt32LE(4000, 0);
  expect(() => dump([long])).toThrow(RangeError);
  const short = message(16, 0, 1);
  short.writeUInt32LE(3, 0);
  expect(() => dump([short])).toThrow(RangeError);
});

test('attributes are read as they were written, also behind those of odd lengths', () => {
  const writer = new MessageWriter();
  writer.begin(16, 0, 9);
  writer.attributeText(3, 'eth0');
  writer.attributeU8(4, 200);
  writer.attributeBytes(5, Buffer.from([1, 2, 3]));
  writer.nest(18, () => {
    writer.attributeU32(1, 0xfffffffe);
    writer.attributeU16(2, 65535);
  });
  writer.end();
  expect(writer.length % 4).toBe(0);
  expect(writer.bytes.readUInt32LE(0)).toBe(writer.length);
  const reader = new AttributeReader(writer.bytes, 16, writer.length);
  expect(reader.text(3)).toBe('eth0');
  expect(reader.u8(4)).toBe(200);
  expect(reader.value(5)).toEqual(Buffer.from([1, 2, 3]));
  expect(reader.nested(18)?.u32(1)).toBe(0xfffffffe);
  expect(reader.nested(18)?.s32(1)).toBe(-2);
  expect(reader.nested(18)?.u16(2)).toBe(65535);
  expect(reader.u32(99)).toBeUndefined();
});

test('an attribute that is longer than its message is an error', () => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(12, 0);
  expect(() => new AttributeReader(bytes, 0, 8)).toThrow(RangeError);
});
