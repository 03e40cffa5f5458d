import { readSync, writeSync } from 'node:fs';

/** Bytes of the length in front of each message. */
const LENGTH = 4;

/** Writes one message to the other end of a pair of sockets. */
export function writeFrame(fd: number, message: object): void {
  const text = Buffer.from(JSON.stringify(message));
  const length = Buffer.alloc(LENGTH);
  length.writeUInt32LE(text.length);
  const bytes = Buffer.concat([length, text]);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** The next message; undefined where the other end is gone. */
export function readFrame(fd: number): unknown {
  const length = readBytes(fd, LENGTH);
  const text = length === undefined ? undefined : readBytes(fd, length.readUInt32LE());
  return text === undefined ? undefined : JSON.parse(text.toString('utf8'));
}

function readBytes(fd: number, size: number): Buffer | undefined {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const count = readSync(fd, bytes, at, size - at, null);
    if (count === 0) return undefined;
    at += count;
  }
  return bytes;
}
