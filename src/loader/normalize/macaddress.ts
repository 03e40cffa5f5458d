import * as crypto from 'node:crypto';
import { parseIp } from '../../lib/ip.ts';
import type { Address } from '../../topology/model.ts';
import type { Context } from './context.ts';

interface Wanted {
  readonly namespace: string;
  readonly name: string;
  readonly addresses: readonly Address[];
}

/** The MAC address of an interface that has none in the file, by `defaults.macaddress`. */
export function deriveMac(
  { data, defaults }: Context,
  { namespace, name, addresses }: Wanted,
): string | undefined {
  if (defaults.macaddress === 'random') return undefined;
  const first = addresses.find(({ family }) => family === 4);
  if (defaults.macaddress === 'from-ip' && first !== undefined) return macOfAddress(first.address);
  return macOfName(data.name, namespace, name);
}

/** 02 marks a locally administered unicast address, so that no maker's address can be met. */
export function macOfName(lab: string, namespace: string, name: string): string {
  const bytes = sha256(`${lab}/${namespace}/${name}`).slice(0, 10);
  return `02:${bytes.replace(/..(?=.)/g, '$&:')}`;
}

/** Since 20.12, Node has one call for it, which takes half the time of an object for each name. */
const sha256: (text: string) => string =
  crypto.hash === undefined
    ? (text) => crypto.createHash('sha256').update(text).digest('hex')
    : (text) => crypto.hash('sha256', text, 'hex');

export function macOfAddress(address: string): string {
  const bytes = (parseIp(address)?.value ?? 0n).toString(16).padStart(8, '0');
  return `02:42:${bytes.match(/../g)?.join(':')}`;
}
