import type { EncodeContext } from '../../../kinds/link-codec.ts';
import type { Command } from '../../../kinds/resource.ts';
import type { MessageWriter } from '../message.ts';
import { encodeAddress } from './address.ts';
import type { Encode } from './encode.ts';
import { encodeFdb } from './fdb.ts';
import { encodeFilter } from './filter.ts';
import { encodeLink } from './link.ts';
import { encodeNeighbor } from './neighbor.ts';
import { encodeNexthop } from './nexthop.ts';
import { encodeQdisc } from './qdisc.ts';
import { encodeRoute } from './route.ts';
import { encodeRule } from './rule.ts';
import { encodeVlan } from './vlan.ts';

/** A command that cannot even be sent. */
export class CommandError extends Error {}

const ipObjects: Readonly<Record<string, Encode>> = {
  link: encodeLink,
  address: encodeAddress,
  route: encodeRoute,
  rule: encodeRule,
  neigh: encodeNeighbor,
  nexthop: encodeNexthop,
};

const bridgeObjects: Readonly<Record<string, Encode>> = { fdb: encodeFdb, vlan: encodeVlan };
const tcObjects: Readonly<Record<string, Encode>> = { qdisc: encodeQdisc, filter: encodeFilter };

const objects = { ip: ipObjects, bridge: bridgeObjects, tc: tcObjects } as const;

/** The lines that topoweave writes are the commands' data; the kernel gets the same, without a program between. */
export function encodeCommand(
  command: Command,
  writer: MessageWriter,
  sequence: number,
  context: EncodeContext,
): boolean {
  if (command.tool !== 'ip' && command.tool !== 'bridge' && command.tool !== 'tc') return false;
  const isV6 = command.args[0] === '-6';
  const [object = '', ...words] = isV6 ? command.args.slice(1) : command.args;
  const encode = objects[command.tool][object];
  return encode?.(words, writer, sequence, context, isV6 ? 6 : undefined) ?? false;
}
