import { addressBits, formatIpv6Words, parseIp } from '../../lib/ip.ts';

/** An IPv4 or IPv6 address, by its length, as inet_ntop(3) writes it. */
export function readAddress(bytes: Buffer): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  const words: number[] = [];
  for (let at = 0; at < 16; at += 2) words.push(bytes.readUInt16BE(at));
  return formatIpv6Words(words);
}

/** Four or sixteen bytes; undefined where the text is no address. */
export function addressBytes(text: string): Buffer | undefined {
  const ip = parseIp(text);
  if (ip === undefined) return undefined;
  return Buffer.from(ip.value.toString(16).padStart(addressBits(ip.family) / 4, '0'), 'hex');
}

/** `02:00:00:00:00:01`, of any length. */
export function readMac(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 1) {
    if (at > 0) text += ':';
    text += hexadecimal[bytes[at] ?? 0];
  }
  return text;
}

/** Of each byte. */
const hexadecimal = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Six bytes; undefined where the text is no MAC address. */
export function macBytes(text: string): Buffer | undefined {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)
    ? Buffer.from(text.replaceAll(':', ''), 'hex')
    : undefined;
}
