import type { EncodeContext } from '../../kinds/link-codec.ts';
import type { Command } from '../../kinds/resource.ts';
import { attributePath } from './attribute-path.ts';
import { CommandError, encodeCommand } from './encode/command.ts';
import { errnoText } from './errors.ts';
import { loadLibc } from './libc.ts';
import { MessageWriter } from './message.ts';
import { type OpenNamespace, openNamespace } from './namespace.ts';
import { type Relocation, record } from './recorder.ts';
import { NetlinkSocket, type Refusal } from './socket.ts';

/** Enough to make the cost of a system call small; so few that the files of their namespaces can all be open. */
const MOST_MESSAGES = 64;
const MOST_BYTES = 32 * 1024;

const SIOCGIFINDEX = 0x8933;
/** struct ifreq: the name in 16 bytes, then the index. */
const IFREQ_SIZE = 40;
const IFNAMSIZ = 16;

/** A command that the kernel refused, or that could not be sent: by its place among those that were added. */
export interface CommandFailure {
  readonly index: number;
  readonly message: string;
}

/** Thrown inside of an encoder that asks for a device which an unsent message may make: send first, then encode. */
class SendFirst extends Error {}

/** A message that is not sent yet. */
interface Pending {
  readonly sequence: number;
  readonly start: number;
  /** What it does, as one line. */
  command: Command;
  /** The lines that it was joined from. */
  readonly parts: { readonly index: number; readonly command: Command }[];
}

/** One buffer for all: only one transaction is open at a time. */
const writer = new MessageWriter();

/**
 * Commands of one namespace as messages: collected, sent some dozens at a time, and matched with their acknowledgements
 * by sequence number. Synchronous, for the length of a visit; `close` it in the end.
 */
export class Transaction {
  readonly #namespace: string;
  readonly #socket = new NetlinkSocket();
  #pending: Pending[] = [];
  #openNamespaces: OpenNamespace[] = [];
  #relocations: Relocation[] = [];
  /** Names of links that unsent messages make. */
  readonly #made = new Set<string>();
  /** An unsent message makes or removes links. */
  #changesLinks = false;
  readonly #indexes = new Map<string, number>();
  readonly #context: EncodeContext = {
    ifindex: (name) => this.#ifindex(name),
    netns: (name) => this.#netns(name),
  };

  constructor(namespace: string) {
    this.#namespace = namespace;
    writer.clear();
  }

  /**
   * Adds a command; false where it has no encoder.
   *
   * @param index the caller's own, which a failure gives back.
   */
  add(command: Command, index: number): { readonly isKnown: boolean; readonly failure?: CommandFailure } {
    let failure: CommandFailure | undefined;
    if (this.#pending.length >= MOST_MESSAGES || writer.length >= MOST_BYTES) failure = this.flush();
    if (failure !== undefined) return { isKnown: true, failure };
    try {
      return { isKnown: this.#encode(command, index) };
    } catch (error) {
      if (error instanceof CommandError) return { isKnown: true, failure: { index, message: error.message } };
      if (!(error instanceof SendFirst)) throw error;
    }
    failure = this.flush();
    return failure === undefined ? this.add(command, index) : { isKnown: true, failure };
  }

  /** Sends what is collected; returns the first failure. */
  flush(): CommandFailure | undefined {
    const pending = this.#pending;
    this.#pending = [];
    this.#changesLinks = false;
    this.#made.clear();
    if (pending.length > 0)
      record('messages', this.#namespace, writer.bytes.subarray(0, writer.length), this.#relocations);
    this.#relocations = [];
    try {
      const [first] = this.#socket.transact(writer, pending.length);
      if (first === undefined) return undefined;
      const refused = pending.find(({ sequence }) => sequence === first.sequence);
      if (refused === undefined)
        return { index: pending[0]?.parts[0]?.index ?? 0, message: explain(first, 0) };
      if (refused.parts.length > 1) return this.#sendSingly(refused.parts);
      return { index: refused.parts[0]?.index ?? 0, message: explain(first, refused.start) };
    } finally {
      writer.clear();
      for (const namespace of this.#openNamespaces.splice(0)) namespace.close();
    }
  }

  /** Of a joined message that was refused: does what can be done, and tells which line cannot. */
  #sendSingly(parts: Pending['parts']): CommandFailure | undefined {
    for (const { index, command } of parts) {
      writer.clear();
      encodeCommand(command, writer, this.#socket.nextSequence(), this.#context);
      const [refusal] = this.#socket.transact(writer, 1);
      if (refusal !== undefined) return { index, message: explain(refusal, 0) };
    }
    return undefined;
  }

  close(): void {
    for (const namespace of this.#openNamespaces.splice(0)) namespace.close();
    this.#socket.close();
  }

  #encode(command: Command, index: number): boolean {
    // A refused creation must not leave its settings to a stranger's link of that name: the kernel would go on.
    if (this.#made.has(linkThatIsSet(command) ?? '')) throw new SendFirst();
    const last = this.#pending.at(-1);
    const joined = last === undefined ? undefined : joinSettings(last.command, command);
    if (last !== undefined && joined !== undefined) {
      writer.cutTo(last.start);
      if (encodeCommand(joined, writer, last.sequence, this.#context)) {
        last.command = joined;
        last.parts.push({ index, command });
        return true;
      }
      // What was encoded once can be encoded again.
      writer.cutTo(last.start);
      encodeCommand(last.command, writer, last.sequence, this.#context);
    }
    const start = writer.length;
    const sequence = this.#socket.nextSequence();
    let isKnown = false;
    try {
      isKnown = encodeCommand(command, writer, sequence, this.#context);
    } finally {
      if (!isKnown) writer.cutTo(start);
    }
    if (!isKnown) return false;
    this.#pending.push({ sequence, start, command, parts: [{ index, command }] });
    if (makesOrRemovesLinks(command)) {
      this.#changesLinks = true;
      this.#indexes.clear();
      for (const name of namesMade(command)) this.#made.add(name);
    }
    return true;
  }

  #ifindex(name: string): number {
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    if (this.#changesLinks) throw new SendFirst();
    const request = Buffer.alloc(IFREQ_SIZE);
    const isWritten = Buffer.byteLength(name) < IFNAMSIZ && request.write(name) > 0;
    if (!isWritten || loadLibc().ioctl(this.#socket.fd, SIOCGIFINDEX, request) !== 0)
      throw new CommandError(`Cannot find device "${name}"`);
    const index = request.readInt32LE(IFNAMSIZ);
    this.#indexes.set(name, index);
    return index;
  }

  #netns(name: string): number {
    try {
      const namespace = openNamespace(name);
      this.#openNamespaces.push(namespace);
      // The value comes behind the header of the attribute that is about to be written.
      this.#relocations.push({ offset: writer.length + 4, namespace: name });
      return namespace.fd;
    } catch (error) {
      throw new CommandError(`cannot open the namespace ${name}: ${(error as Error).message}`);
    }
  }
}

/**
 * Two lines that set one link, as one, which is one message and one turn of the kernel's lock less; undefined where they
 * must stay two. Only plain settings are joined: the state of a link goes last, and what else may depend on it does not.
 */
function joinSettings(first: Command, second: Command): Command | undefined {
  if (first.tool === 'bridge' && second.tool === 'bridge') return joinVlans(first, second);
  if (first.tool !== 'ip' || second.tool !== 'ip') return undefined;
  const [one, other] = [first.args, second.args];
  const isSameLink =
    one[0] === 'link' && one[1] === 'set' && one.slice(0, 4).every((word, at) => word === other[at]);
  if (!isSameLink || !isPlain(one) || !isPlain(other) || isState(one.at(-1))) return undefined;
  return { ...first, args: [...one, ...other.slice(4)] };
}

/** Two lines of one port's VLANs, in the form that encodeVlan takes. */
function joinVlans(
  first: Extract<Command, { tool: 'bridge' }>,
  second: Extract<Command, { tool: 'bridge' }>,
): Command | undefined {
  const start = second.args.indexOf('vid');
  const isSame = first.args[0] === 'vlan' && first.args.indexOf('vid') === start && start > 0;
  if (!isSame || !second.args.slice(0, start).every((word, at) => word === first.args[at])) return undefined;
  return { ...first, args: [...first.args, ...second.args.slice(start)] };
}

/** The link of `link set dev NAME …` and of `link property add dev NAME …`. */
function linkThatIsSet(command: Command): string | undefined {
  if (command.tool !== 'ip' || command.args[0] !== 'link') return undefined;
  if (command.args[1] === 'set') return command.args[3];
  return command.args[1] === 'property' ? command.args[4] : undefined;
}

/** Both ends of a pair, say: each name stands behind the word `name`. */
function namesMade(command: Command): string[] {
  if (command.tool !== 'ip' || command.args[1] !== 'add') return [];
  return command.args.filter((_, at) => command.args[at - 1] === 'name');
}

/** Words that ask for an index, which may need what is pending to be sent first, or that are of a kind. */
const notPlain = ['type', 'link', 'master', 'nomaster', 'group', 'name'];

function isPlain(words: readonly string[]): boolean {
  return !notPlain.some((word) => words.includes(word));
}

function isState(word: string | undefined): boolean {
  return word === 'up' || word === 'down';
}

function makesOrRemovesLinks(command: Command): boolean {
  if (command.tool !== 'ip' || command.args[0] !== 'link') return false;
  const action = command.args[1];
  return action === 'add' || action === 'del' || (action === 'set' && command.args[4] === 'name');
}

/** The kernel's own words before the general ones of the errno, and the attribute that it means. */
function explain({ errno, text, offset, missing }: Refusal, start: number): string {
  const words = text ?? errnoText(errno);
  if (offset !== undefined) {
    const end = start + writer.bytes.readUInt32LE(start);
    const path = attributePath(writer.bytes.subarray(start, end), offset);
    if (path !== undefined) return `${words} (${path})`;
  }
  return missing === undefined ? words : `${words} (attribute ${missing} is missing)`;
}
