import type { EncodeContext } from '../../../kinds/link-codec.ts';
import type { MessageWriter } from '../message.ts';

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
  /** Of `ip -6`, for the lines that do not tell it otherwise. */
  family?: 6,
) => boolean;
