import { createHash } from 'node:crypto';

/** IFNAMSIZ is 16 with the closing zero byte (linux/if.h). */
export const LONGEST_NAME = 15;
/** ALTIFNAMSIZ is 128 (linux/if.h). */
export const LONGEST_ALTERNATIVE_NAME = 127;

const PREFIX_LENGTH = 5;

export function isLongName(name: string): boolean {
  // A character has three bytes at most, where `length` counts it once.
  if (3 * name.length <= LONGEST_NAME) return false;
  return name.length > LONGEST_NAME || Buffer.byteLength(name) > LONGEST_NAME;
}

/**
 * What the kernel calls an interface of the file: the name itself, or, where that is too long, its beginning and a hash
 * of the whole (46 bits in base 36). The interface has the whole name as an alternative one (ip-link(8), altname).
 */
export function kernelName(name: string): string {
  return isLongName(name) ? hashedName(name, name) : name;
}

/** A name of 15 characters: the beginning of a text that may be longer, and a hash. */
export function hashedName(text: string, hashed: string): string {
  const prefix = text.replace(/[^A-Za-z0-9_.-]/g, '').slice(0, PREFIX_LENGTH);
  const digest = createHash('sha256').update(hashed).digest();
  return `${prefix}-${digest.readBigUInt64BE().toString(36).padStart(13, '0').slice(-9)}`;
}
