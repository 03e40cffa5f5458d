import type { AttributeReader, MessageWriter } from '../engine/netlink/message.ts';

/** What of the other links of its namespace a decoder asks for. */
export interface LinkNames {
  /** `eth0`, or `if7` for one that is not there, as iproute2 says. */
  readonly nameOf: (index: number) => string;
}

/** What an encoder asks for beside its words. */
export interface EncodeContext {
  /**
   * The ifindex of a device of the namespace.
   *
   * @throws CommandError when there is none.
   */
  readonly ifindex: (name: string) => number;
  /**
   * A file descriptor of a named namespace, open until the message is sent.
   *
   * @throws CommandError when there is none.
   */
  readonly netns: (name: string) => number;
}

/** The kernel's attributes of one kind of link, IFLA_INFO_DATA, in the words and the JSON of iproute2. */
export interface LinkCodec {
  /** Writes what follows `type KIND` of `ip link add` and `ip link set`; false where a word is not known. */
  readonly encode: (words: readonly string[], writer: MessageWriter, context: EncodeContext) => boolean;
  /** The `info_data` of `ip -j -d link show`, as far as a kind reads it. */
  readonly decode: (data: AttributeReader, names: LinkNames) => Record<string, unknown>;
}

const links = new Map<string, LinkCodec>();
const ports = new Map<string, LinkCodec>();

/** Makes a codec known by IFLA_INFO_KIND. */
export function registerLinkCodec(kind: string, codec: LinkCodec): void {
  links.set(kind, codec);
}

/** The same for what a link is to its master: IFLA_INFO_SLAVE_KIND and IFLA_INFO_SLAVE_DATA. */
export function registerPortCodec(kind: string, codec: LinkCodec): void {
  ports.set(kind, codec);
}

export function linkCodec(kind: string): LinkCodec | undefined {
  return links.get(kind);
}

export function portCodec(kind: string): LinkCodec | undefined {
  return ports.get(kind);
}

/** One attribute of a table: how its word is written, and how its value reads in the JSON. */
export interface AttributeType {
  readonly number: number;
  /** Its name in the JSON, where that is not its word. */
  readonly json?: string;
  /** false where the word is not a value of this type. */
  readonly write: (writer: MessageWriter, number: number, word: string) => boolean;
  readonly read: (data: AttributeReader, number: number) => unknown;
}

/** A codec of attributes whose words are also their names in the JSON, each followed by one value. */
export function tableCodec(table: Readonly<Record<string, AttributeType>>): LinkCodec {
  const entries = Object.entries(table);
  return {
    encode: (words, writer) => {
      for (let at = 0; at < words.length; at += 2) {
        const type = table[words[at] ?? ''];
        const value = words[at + 1];
        if (type === undefined || value === undefined) return false;
        if (!type.write(writer, type.number, value)) return false;
      }
      return true;
    },
    decode: (data) => {
      const found: Record<string, unknown> = {};
      for (const [name, { number, json, read }] of entries) {
        const value = read(data, number);
        if (value !== undefined) found[json ?? name] = value;
      }
      return found;
    },
  };
}

type NumberWriter = (writer: MessageWriter, number: number, value: number) => void;

function numberType(write: NumberWriter, read: AttributeType['read']): (number: number) => AttributeType {
  return (number) => ({
    number,
    read,
    write: (writer, type, word) => {
      if (!/^(0x[0-9a-f]+|\d+)$/i.test(word)) return false;
      write(writer, type, Number(word));
      return true;
    },
  });
}

export const u8 = numberType(
  (writer, number, value) => writer.attributeU8(number, value),
  (data, number) => data.u8(number),
);
export const u16 = numberType(
  (writer, number, value) => writer.attributeU16(number, value),
  (data, number) => data.u16(number),
);
export const u32 = numberType(
  (writer, number, value) => writer.attributeU32(number, value),
  (data, number) => data.u32(number),
);

/** In network byte order, as ports and Ethernet types are. */
export const u16be = numberType(
  (writer, number, value) => writer.attributeU16be(number, value),
  (data, number) => data.u16be(number),
);

/** One of several words, which stand for numbers. */
export function oneOf(
  type: (number: number) => AttributeType,
  number: number,
  values: Readonly<Record<string, number>>,
): AttributeType {
  const { write, read } = type(number);
  return {
    number,
    write: (writer, at, word) => {
      const value = Object.hasOwn(values, word) ? values[word] : undefined;
      return value !== undefined && write(writer, at, String(value));
    },
    read: (data, at) => {
      const value = read(data, at);
      return Object.keys(values).find((word) => values[word] === value);
    },
  };
}

/** `on` or `off`, a byte; true or false in the JSON. */
export function onOff(number: number): AttributeType {
  return {
    number,
    write: (writer, type, word) => {
      if (word !== 'on' && word !== 'off') return false;
      writer.attributeU8(type, word === 'on' ? 1 : 0);
      return true;
    },
    read: (data, type) => {
      const value = data.u8(type);
      return value === undefined ? undefined : value !== 0;
    },
  };
}
