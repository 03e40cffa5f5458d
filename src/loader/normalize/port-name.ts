import { hashedName, isLongName } from '../../lib/interface-name.ts';
import type { Endpoint } from './endpoint.ts';

/**
 * The near end's name: made from the far end's, `alice-eth0`, so that it stays the same when ports come and go. One that
 * the kernel would not take, or that is in use, gets a hash: 9 digits of base 36, so that thousands of ports do not
 * meet.
 */
export function makePortName({ namespace, name }: Endpoint, isFree: (name: string) => boolean): string {
  const plain = `${namespace}-${name}`;
  if (!isLongName(plain) && isFree(plain)) return plain;
  for (let attempt = 0; ; attempt += 1) {
    const made = hashedName(plain, `${namespace}:${name}${'+'.repeat(attempt)}`);
    if (isFree(made)) return made;
  }
}
