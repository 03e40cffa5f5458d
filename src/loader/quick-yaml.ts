/**
 * Reads the plain part of YAML in one pass: block maps and lists, flow maps and lists, scalars on one line, comments.
 * That is all that most topologies are written in, and for one of 4,000 namespaces the package `yaml` takes half a
 * second, where this takes 50 ms and a small part of the memory.
 *
 * It never reports anything. Whatever it does not know for certain — anchors, aliases, tags, merge keys, several
 * documents, scalars over several lines, escapes, tabs, repeated keys, doubtful indentation and each mistake — makes it
 * give up, and the package reads the file from its beginning. What it does read is equal to what the package makes of
 * it, places included; the tests compare the two.
 */
export function readQuickly(text: string): QuickDocument | undefined {
  if (unusual.test(text)) return undefined;
  try {
    return new Reader(text).read();
  } catch (error) {
    if (error instanceof GivenUp) return undefined;
    throw error;
  }
}

export interface QuickDocument {
  readonly data: object;
  /**
   * Where everything is: SPAN numbers for each entry of a map or list, in the order of the file, an entry before those
   * inside of it. They are the offsets of the start and the end of its key (-1 for the item of a list) and of its value
   * (equal when there is none), and the index behind all that is inside of the entry. The first one is the document.
   */
  readonly spans: readonly number[];
}

export const SPAN = 5;

/** A file as deep as this is no topology, and would fill the stack. */
const MAX_DEPTH = 100;

/** Control characters, line ends of other systems among them, and the byte order mark. */
const unusual = /[^\P{Cc}\n]|\ufeff/u;

const notAscii = /[^\n -~]/;

const number = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const words: ReadonlyMap<string, boolean | null> = new Map([
  ...['~', 'null', 'Null', 'NULL'].map((word): [string, null] => [word, null]),
  ...['true', 'True', 'TRUE'].map((word): [string, boolean] => [word, true]),
  ...['false', 'False', 'FALSE'].map((word): [string, boolean] => [word, false]),
]);

const NEWLINE = 0x0a;
const SPACE = 0x20;
const DOUBLE_QUOTE = 0x22;
const HASH = 0x23;
const SINGLE_QUOTE = 0x27;
const COMMA = 0x2c;
const DASH = 0x2d;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;
/** What a plain scalar cannot begin with; a dash can, before anything but a blank. */
const indicators = new Set(Array.from(',[]{}#&*!|>\'"%@`?:', (character) => character.charCodeAt(0)));

class GivenUp extends Error {}

class Reader {
  readonly #text: string;
  readonly #isAscii: boolean;
  readonly #spans: number[] = [];
  #pos = 0;
  /** The offset where the line begins. */
  #line = 0;
  /** Behind the end of a line: the column of what follows, -1 at the end of the text. */
  #column = -1;
  /** The scalar that was read last, with its quotes. */
  #start = 0;
  #end = 0;
  #depth = 0;
  /**
   * The package counts comments behind a value as a part of the blocks that end there: #outer is where the last value
   * ends with those that are its own, and the others, up to #restEnd, belong to the first block that ends and that one
   * of them is not less indented than. -1: there are none.
   */
  #outer = 0;
  #restColumn = -1;
  #restEnd = 0;

  constructor(text: string) {
    this.#text = text;
    this.#isAscii = !notAscii.test(text);
  }

  read(): QuickDocument {
    this.#endLine(-1);
    if (this.#text.startsWith('---', this.#pos) && this.#column === 0) {
      this.#pos += 3;
      this.#endLine(-1);
    }
    if (this.#column !== 0 || this.#isDash()) throw new GivenUp();
    const at = this.#open(-1, -1);
    const start = this.#pos;
    const data = this.#blockMap(0);
    this.#close(at, start, this.#end);
    if (this.#pos < this.#text.length) throw new GivenUp();
    return { data, spans: this.#spans };
  }

  #blockMap(column: number): object {
    const map = this.#enter<Record<string, unknown>>({});
    do {
      if (column === 0 && this.#isMarker()) throw new GivenUp();
      const key = this.#key(map, false);
      const at = this.#open(this.#start, this.#end);
      put(map, key, this.#entryValue(at, column));
    } while (this.#column === column && !this.#isDash());
    this.#leaveBlock(column);
    return map;
  }

  #blockList(column: number): unknown[] {
    const list = this.#enter<unknown[]>([]);
    do {
      this.#pos += 1;
      const at = this.#open(-1, -1);
      const first = this.#skipSpaces();
      if (isLineEnd(first) || first === HASH) throw new GivenUp();
      const inner = this.#pos - this.#line;
      if (this.#isDash() || this.#isKey()) list.push(this.#block(at, inner));
      else list.push(this.#leaf(at, column));
    } while (this.#column === column && this.#isDash());
    this.#leaveBlock(column);
    return list;
  }

  /** What stands behind `key:`, on the same line or below it; `column` is the map's. */
  #entryValue(at: number, column: number): unknown {
    const first = this.#skipSpaces();
    if (!isLineEnd(first) && first !== HASH) return this.#leaf(at, column);
    const end = this.#end;
    this.#outer = this.#pos;
    // All comments up to the next key belong to a value that is not there.
    this.#endLine(-1);
    const isList = this.#isDash();
    if (this.#column > column) {
      const next = this.#text.charCodeAt(this.#pos);
      return next === OPEN_MAP || next === OPEN_LIST ? this.#leaf(at, column) : this.#block(at, this.#column);
    }
    if (this.#column === column && isList) return this.#block(at, column);
    this.#close(at, end, end);
    return null;
  }

  #block(at: number, column: number): unknown {
    const start = this.#pos;
    const value = this.#isDash() ? this.#blockList(column) : this.#blockMap(column);
    this.#close(at, start, this.#end);
    return value;
  }

  /** A scalar or a flow map or list, with which its line ends; `column` is that of the block around it. */
  #leaf(at: number, column: number): unknown {
    const value = this.#flowValue(at, this.#text.charCodeAt(this.#pos), { column, level: 0 });
    this.#outer = this.#pos;
    this.#endLine(column);
    return value;
  }

  /** A block ends with its last value, and hands the comments behind that on to the blocks around it. */
  #leaveBlock(column: number): void {
    this.#depth -= 1;
    this.#end = this.#outer;
    if (column === 0 || this.#restColumn < column) return;
    this.#outer = this.#restEnd;
    this.#restColumn = -1;
  }

  /** To the next line with more than a comment; nothing but a comment may be left of this one. */
  #endLine(column: number): void {
    const text = this.#text;
    let isSameLine = this.#pos > 0;
    this.#restColumn = -1;
    for (;;) {
      if (this.#skipSpaces() === HASH) {
        if (isSameLine && !this.#isBehindSpace()) throw new GivenUp();
        const indent = isSameLine ? column + 1 : this.#pos - this.#line;
        this.#pos = this.#lineEnd();
        this.#takeComment(indent, column);
      }
      if (this.#pos >= text.length) break;
      if (text.charCodeAt(this.#pos) !== NEWLINE) {
        if (isSameLine) throw new GivenUp();
        this.#column = this.#pos - this.#line;
        return;
      }
      this.#pos += 1;
      this.#line = this.#pos;
      isSameLine = false;
    }
    this.#column = -1;
  }

  #takeComment(indent: number, column: number): void {
    if (indent > column && this.#restColumn === -1) this.#outer = this.#pos;
    else {
      this.#restColumn = Math.max(this.#restColumn, indent);
      this.#restEnd = this.#pos;
    }
  }

  #flowValue(at: number, first: number, around: Flow): unknown {
    const start = this.#pos;
    let value: unknown;
    const { column, level } = around;
    if (first === OPEN_MAP) value = this.#flowMap({ column, level: level + 1 });
    else if (first === OPEN_LIST) value = this.#flowList({ column, level: level + 1 });
    else value = this.#scalar(level > 0);
    this.#close(at, start, this.#pos);
    return value;
  }

  #flowMap(flow: Flow): object {
    const map = this.#enter<Record<string, unknown>>({});
    this.#pos += 1;
    let next = this.#flowToken(flow);
    while (next !== CLOSE_MAP) {
      const key = this.#key(map, true);
      const end = this.#end;
      const at = this.#open(this.#start, end);
      next = this.#flowToken(flow);
      if (next === COMMA || next === CLOSE_MAP) {
        this.#close(at, end, end);
        put(map, key, null);
      } else put(map, key, this.#flowValue(at, next, flow));
      next = this.#separator(flow, CLOSE_MAP);
    }
    this.#pos += 1;
    this.#depth -= 1;
    return map;
  }

  #flowList(flow: Flow): unknown[] {
    const list = this.#enter<unknown[]>([]);
    this.#pos += 1;
    let next = this.#flowToken(flow);
    while (next !== CLOSE_LIST) {
      list.push(this.#flowValue(this.#open(-1, -1), next, flow));
      next = this.#separator(flow, CLOSE_LIST);
    }
    this.#pos += 1;
    this.#depth -= 1;
    return list;
  }

  /** Past a comma; without one the list or map must end. */
  #separator(flow: Flow, close: number): number {
    const next = this.#flowToken(flow);
    if (next === close) return next;
    if (next !== COMMA) throw new GivenUp();
    this.#pos += 1;
    return this.#flowToken(flow);
  }

  /** To the next character that is neither blank nor in a comment. */
  #flowToken({ column, level }: Flow): number {
    let isNewLine = false;
    for (;;) {
      let next = this.#skipSpaces();
      if (next === HASH) {
        if (!isNewLine && !this.#isBehindSpace()) throw new GivenUp();
        this.#pos = this.#lineEnd();
        next = this.#text.charCodeAt(this.#pos);
      }
      if (next !== NEWLINE) {
        const isClosing = level === 1 && (next === CLOSE_MAP || next === CLOSE_LIST);
        const least = isClosing ? column : column + 1;
        if (isNewLine && this.#pos - this.#line < least) throw new GivenUp();
        return next;
      }
      this.#pos += 1;
      this.#line = this.#pos;
      isNewLine = true;
    }
  }

  /** A key that is not in the map yet, and its colon. */
  #key(map: object, inFlow: boolean): string {
    const from = this.#pos;
    const value = this.#scalar(inFlow) ?? fail();
    const key = String(value);
    // 010 would be the key 10; and é may be written in two ways.
    if (typeof value !== 'string' && this.#text.slice(this.#start, this.#end) !== key) throw new GivenUp();
    if (!this.#isAscii && key.normalize() !== key) throw new GivenUp();
    const isMerge = key === '<<' && this.#end - this.#start === 2;
    const isValueNext = this.#skipSpaces() === COLON && isBlank(this.#text.charCodeAt(this.#pos + 1));
    this.#pos += 1;
    // The colon of a key must come within 1024 characters.
    if (!isValueNext || isMerge || this.#pos - from > 1000 || Object.hasOwn(map, key)) throw new GivenUp();
    return key;
  }

  /** Whether a key begins here, and not a value: looks ahead. */
  #isKey(): boolean {
    const start = this.#pos;
    const first = this.#text.charCodeAt(start);
    if (first === OPEN_MAP || first === OPEN_LIST) return false;
    this.#scalar(false);
    const isKey = this.#skipSpaces() === COLON;
    this.#pos = start;
    return isKey;
  }

  #scalar(inFlow: boolean): unknown {
    const first = this.#text.charCodeAt(this.#pos);
    this.#start = this.#pos;
    if (first === DOUBLE_QUOTE || first === SINGLE_QUOTE) return this.#quoted(first);
    if (indicators.has(first)) throw new GivenUp();
    if (first === DASH) {
      const next = this.#text.charCodeAt(this.#pos + 1);
      if (isBlank(next) || (inFlow && isFlowIndicator(next))) throw new GivenUp();
    }
    this.#pos = this.#end = this.#plainEnd(inFlow);
    return plainValue(this.#text.slice(this.#start, this.#end));
  }

  #plainEnd(inFlow: boolean): number {
    const text = this.#text;
    let end = this.#pos;
    for (let pos = end; ; pos += 1) {
      const code = text.charCodeAt(pos);
      if (code === SPACE) continue;
      if (isLineEnd(code) || (code === HASH && text.charCodeAt(pos - 1) === SPACE)) return end;
      if (inFlow && isFlowIndicator(code)) return end;
      if (code === COLON) {
        const next = text.charCodeAt(pos + 1);
        if (isBlank(next)) return end;
        if (inFlow && isFlowIndicator(next)) throw new GivenUp();
      }
      end = pos + 1;
    }
  }

  #quoted(quote: number): string {
    const text = this.#text;
    let pos = this.#pos + 1;
    let isPlain = true;
    for (; ; pos += 1) {
      const code = text.charCodeAt(pos);
      if (isLineEnd(code) || (code === 0x5c && quote === DOUBLE_QUOTE)) throw new GivenUp();
      if (code !== quote) continue;
      if (quote === DOUBLE_QUOTE || text.charCodeAt(pos + 1) !== quote) break;
      isPlain = false;
      pos += 1;
    }
    this.#pos = this.#end = pos + 1;
    const inside = text.slice(this.#start + 1, pos);
    return isPlain ? inside : inside.replaceAll("''", "'");
  }

  #enter<T>(collection: T): T {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new GivenUp();
    return collection;
  }

  #open(start: number, end: number): number {
    return this.#spans.push(start, end, 0, 0, 0) - SPAN;
  }

  #close(at: number, start: number, end: number): void {
    this.#spans[at + 2] = start;
    this.#spans[at + 3] = end;
    this.#spans[at + 4] = this.#spans.length;
  }

  /** The character behind the spaces. */
  #skipSpaces(): number {
    let code = this.#text.charCodeAt(this.#pos);
    while (code === SPACE) {
      this.#pos += 1;
      code = this.#text.charCodeAt(this.#pos);
    }
    return code;
  }

  #isBehindSpace(): boolean {
    return this.#text.charCodeAt(this.#pos - 1) === SPACE;
  }

  #lineEnd(): number {
    const end = this.#text.indexOf('\n', this.#pos);
    return end === -1 ? this.#text.length : end;
  }

  #isDash(): boolean {
    return this.#text.charCodeAt(this.#pos) === DASH && isBlank(this.#text.charCodeAt(this.#pos + 1));
  }

  /** The end of a document, if a blank follows. */
  #isMarker(): boolean {
    return this.#text.startsWith('---', this.#pos) || this.#text.startsWith('...', this.#pos);
  }
}

/** A flow map or list: the column of the block around it, and how many flow maps and lists are around its items. */
interface Flow {
  readonly column: number;
  readonly level: number;
}

/** What YAML 1.2 reads a scalar without quotes as. */
export function plainValue(text: string): unknown {
  const word = text.length > 5 ? undefined : words.get(text);
  if (word !== undefined) return word;
  if (text.charCodeAt(0) > NINE) return text;
  if (number.test(text))
    return /^[-+]?[0-9]+$/.test(text) ? exact(Number.parseInt(text, 10)) : Number.parseFloat(text);
  if (/^0o[0-7]+$/.test(text)) return exact(Number.parseInt(text.slice(2), 8));
  if (/^0x[0-9a-fA-F]+$/.test(text)) return exact(Number.parseInt(text.slice(2), 16));
  return /^[-+]?\.(?:inf|nan)$/i.test(text) ? fail() : text;
}

/** The package says of an integer that a double cannot hold where it is. */
function exact(value: number): number {
  return Number.isSafeInteger(value) ? value : fail();
}

function put(map: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') map[key] = value;
  else Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true });
}

function isBlank(code: number): boolean {
  return code === SPACE || isLineEnd(code);
}

/** Behind the end of the text, the code is not a number. */
function isLineEnd(code: number): boolean {
  return code === NEWLINE || Number.isNaN(code);
}

function isFlowIndicator(code: number): boolean {
  return (
    code === COMMA || code === OPEN_LIST || code === CLOSE_LIST || code === OPEN_MAP || code === CLOSE_MAP
  );
}

function fail(): never {
  throw new GivenUp();
}
