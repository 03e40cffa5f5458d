import type { EncodeContext } from '../../../kinds/link-codec.ts';
import type { Command } from '../../../kinds/resource.ts';
import type { MessageWriter } from '../message.ts';
import { encodeAddress } from './address.ts';
import { encodeFdb } from './fdb.ts';
import { encodeFilter } from './filter.ts';
import { encodeLink } from './link.ts';
import { encodeQdisc } from './qdisc.ts';
import { encodeRoute } from './route.ts';

/**
 * Writes the message that performs a line of `ip`, `bridge` or `tc`, without the object's name in front. false where a word is
 * not known: then the program itself has to do it, and what was begun is dropped.
 *
 * @throws CommandError when something that the line names is not there.
 */
export type Encode = (
  words: readonly string[],
  writer: MessageWriter,
  sequence: number,
  context: EncodeContext,
) => boolean;

/** A command that cannot even be sent. */
export class CommandError extends Error {}

const ipObjects: Readonly<Record<string, Encode>> = {
  link: encodeLink,
  address: encodeAddress,
  route: encodeRoute,
};

const tcObjects: Readonly<Record<string, Encode>> = { qdisc: encodeQdisc, filter: encodeFilter };

/** The lines that topoweave writes are the commands' data; the kernel gets the same, without a program between. */
export function encodeCommand(
  command: Command,
  writer: MessageWriter,
  sequence: number,
  context: EncodeContext,
): boolean {
  if (command.tool === 'sysctl' || command.tool === 'nft') return false;
  const [object = '', ...words] = command.args;
  if (command.tool === 'tc') return tcObjects[object]?.(words, writer, sequence, context) ?? false;
  const encode = command.tool === 'ip' ? ipObjects[object] : object === 'fdb' ? encodeFdb : undefined;
  return encode?.(words, writer, sequence, context) ?? false;
}
