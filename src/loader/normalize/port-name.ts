import { createHash } from 'node:crypto';
import type { Endpoint } from './endpoint.ts';

/** IFNAMSIZ is 16 with the closing zero byte. */
const MAX_LENGTH = 15;
const PREFIX_LENGTH = 5;

/**
 * The near end's name: made from the far end's, `alice-eth0`, so that it stays the same when ports come and go. One that
 * the kernel would not take, or that is in use, gets a hash: 9 digits of base 36, so that thousands of ports do not
 * meet.
 */
export function makePortName({ namespace, name }: Endpoint, isFree: (name: string) => boolean): string {
  const plain = `${namespace}-${name}`;
  if (Buffer.byteLength(plain) <= MAX_LENGTH && isFree(plain)) return plain;
  const prefix = plain.replace(/[^A-Za-z0-9_.-]/g, '').slice(0, PREFIX_LENGTH);
  for (let attempt = 0; ; attempt += 1) {
    const digest = createHash('sha256')
      .update(`${namespace}:${name}${'+'.repeat(attempt)}`)
      .digest();
    const hash = digest.readBigUInt64BE().toString(36).padStart(13, '0').slice(-9);
    const made = `${prefix}-${hash}`;
    if (isFree(made)) return made;
  }
}
