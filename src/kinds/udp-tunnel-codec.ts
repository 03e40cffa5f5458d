import { addressBytes, readAddress } from '../engine/netlink/bytes.ts';
import type { AttributeReader, MessageWriter } from '../engine/netlink/message.ts';
import type { EncodeContext } from './link-codec.ts';

/** How one word of ip-link(8) is written: how many words that were, 0 where the value is not known. */
export type WordWriter = (value: string, writer: MessageWriter, context: EncodeContext) => 0 | 1 | 2;

const dfWords = ['unset', 'set', 'inherit'];
const TOS_INHERIT = 1;

/** Writes words that each are in a table; false where one is not. */
export function encodeWords(
  table: Readonly<Record<string, WordWriter>>,
  words: readonly string[],
  writer: MessageWriter,
  context: EncodeContext,
): boolean {
  for (let at = 0; at < words.length; ) {
    const used = table[words[at] ?? '']?.(words[at + 1] ?? '', writer, context) ?? 0;
    if (used === 0) return false;
    at += used;
  }
  return true;
}

export function number(write: (writer: MessageWriter, value: number) => void): WordWriter {
  return (value, writer) => {
    if (!/^(0x[0-9a-f]+|\d+)$/i.test(value)) return 0;
    write(writer, Number(value));
    return 2;
  };
}

/** `NAME` and `noNAME`, a byte each. */
export function onOffWords(name: string, attribute: number): Record<string, WordWriter> {
  const write =
    (value: number): WordWriter =>
    (_next, writer) => {
      writer.attributeU8(attribute, value);
      return 1;
    };
  return { [name]: write(1), [`no${name}`]: write(0) };
}

/** An address, in the attribute of its family. */
export function address(v4: number, v6: number): WordWriter {
  return (value, writer) => {
    const bytes = addressBytes(value);
    if (bytes === undefined) return 0;
    writer.attributeBytes(bytes.length === 4 ? v4 : v6, bytes);
    return 2;
  };
}

export function tos(attribute: number): WordWriter {
  return (value, writer, context) =>
    number((to, byte) => to.attributeU8(attribute, byte))(
      value === 'inherit' ? String(TOS_INHERIT) : value,
      writer,
      context,
    );
}

export function df(attribute: number): WordWriter {
  return (value, writer) => {
    if (!dfWords.includes(value)) return 0;
    writer.attributeU8(attribute, dfWords.indexOf(value));
    return 2;
  };
}

export function label(attribute: number): WordWriter {
  return number((writer, value) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    writer.attributeBytes(attribute, bytes);
  });
}

/** What both print the same, as far as it is there. */
export function decodeShared(
  data: AttributeReader,
  numbers: { readonly TOS: number; readonly LABEL: number; readonly DF: number },
): Record<string, unknown> {
  const tos = data.u8(numbers.TOS) ?? 0;
  const label = data.value(numbers.LABEL)?.readUInt32BE(0) ?? 0;
  const df = data.u8(numbers.DF);
  return {
    ...(tos === 0 ? {} : { tos: `0x${tos.toString(16)}` }),
    ...(label === 0 ? {} : { label: `0x${label.toString(16)}` }),
    ...(df === undefined ? {} : { df: dfWords[df] }),
  };
}

/** Bytes as true and false, where they are there. */
export function decodeBits(
  data: AttributeReader,
  names: Readonly<Record<string, number>>,
): Record<string, boolean> {
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, attribute]) =>
      data.has(attribute) ? [[name, data.u8(attribute) !== 0] as const] : [],
    ),
  );
}

export function decodeAddress(
  data: AttributeReader,
  name: string,
  attribute: number,
): Record<string, string> {
  const bytes = data.value(attribute);
  return bytes === undefined || bytes.every((byte) => byte === 0) ? {} : { [name]: readAddress(bytes) };
}
