import fc from 'fast-check';

/**
 * YAML in any style: indentation, compact and flow forms, quotes, comments and blank lines at random. Each number of the
 * list is one choice, so that a failure shrinks to a short text.
 */
export const renderedYaml: fc.Arbitrary<string> = fc
  .array(fc.nat({ max: 1000 }), { minLength: 5, maxLength: 120 })
  .map((choices) => new Renderer(choices).render());

const scalars = [
  ...[
    'a',
    'b c',
    'x#y',
    'r1:eth0',
    '10.0.0.1/24',
    '2001:db8::1',
    '-x',
    '--',
    'a, b',
    'a]',
    'yes',
    'ünï',
    '=',
    '<<',
  ],
  ...[
    '1',
    '-0',
    '0x1f',
    '0o7',
    '1.50',
    '1e3',
    '+.5',
    '007',
    '10.0',
    '99999999999999999999',
    '08',
    '1_0',
    '.5.',
  ],
  ...[
    'true',
    'False',
    'null',
    '~',
    'NULL',
    'nULL',
    '.inf',
    '"a"',
    '"a: b # c"',
    "'it''s'",
    "''",
    '" x "',
    '"\\n"',
  ],
  ...['"{"', "'#'", '*a', '@a', 'a:b', '%a', '- a', '|', 'a:', '\u00a0'],
];
const keys = [
  ...[
    'a',
    'b',
    'c',
    'dd',
    'e f',
    'r1:x',
    '"q"',
    "'s'",
    '"a: b"',
    '7',
    '0x7',
    'true',
    '1.0',
    '__proto__',
    '-k',
  ],
  ...['constructor', 'net.ipv4.x', '"7"', '~', '2', '<<', '-', "'<<'", '---', '...'],
];
const comments = ['#', '# note', '#note', '#  x: { # [ "', '# é  '];

class Renderer {
  readonly #choices: readonly number[];
  #next = 0;
  #text = '';
  #depth = 0;

  constructor(choices: readonly number[]) {
    this.#choices = choices;
  }

  render(): string {
    this.#gap();
    if (this.#choose(6) === 5) {
      this.#text += '---';
      this.#lineEnd();
    }
    this.#blockMap(0);
    return this.#choose(4) === 3 ? this.#text.trimEnd() : this.#text;
  }

  #blockMap(column: number): void {
    const count = 1 + this.#choose(4);
    for (let index = 0; index < count; index += 1) {
      if (index > 0) this.#indent(column);
      this.#text += `${this.#key()}${this.#rarely(' ')}:`;
      this.#entryValue(column);
    }
  }

  #entryValue(column: number): void {
    const form = this.#depth > 4 ? this.#choose(3) : this.#choose(8);
    if (form < 3) {
      this.#leaf(column);
      return;
    }
    this.#lineEnd();
    if (form > 3) this.#blockValue(column, form > 5);
  }

  #blockValue(column: number, isList: boolean): void {
    this.#depth += 1;
    // A list may begin in the column of its key.
    const inner = column + this.#choose(3) + (isList ? 0 : 1);
    this.#indent(inner);
    if (isList) this.#blockList(inner);
    else if (this.#choose(6) === 5) {
      this.#flow(column);
      this.#lineEnd();
    } else this.#blockMap(inner);
    this.#depth -= 1;
  }

  #blockList(column: number): void {
    const count = 1 + this.#choose(4);
    for (let index = 0; index < count; index += 1) {
      if (index > 0) this.#indent(column);
      const blanks = 1 + this.#rarely('  ').length;
      this.#text += `-${' '.repeat(blanks)}`;
      const form = this.#depth > 4 ? 0 : this.#choose(5);
      this.#depth += 1;
      if (form < 3) this.#leaf(column);
      else if (form === 3) this.#blockMap(column + 1 + blanks);
      else this.#blockList(column + 1 + blanks);
      this.#depth -= 1;
    }
  }

  #leaf(column: number): void {
    this.#text += ' '.repeat(1 + this.#rarely(' ').length);
    if (this.#choose(4) === 3) this.#flow(column);
    else this.#text += this.#pick(scalars);
    this.#lineEnd();
  }

  #flow(column: number): void {
    const isMap = this.#choose(2) === 0;
    const count = this.#choose(4);
    this.#depth += 1;
    this.#text += isMap ? '{' : '[';
    for (let index = 0; index < count; index += 1) {
      this.#flowBlank(column);
      if (isMap) this.#text += `${this.#key()}${this.#rarely(' ')}:${this.#rarely('', ' ')}`;
      if (isMap) this.#flowBlank(column);
      if (this.#depth < 6 && this.#choose(4) === 3) this.#flow(column);
      else if (!isMap || this.#choose(6) < 5) this.#text += this.#pick(scalars);
      this.#flowBlank(column);
      if (index < count - 1 || this.#choose(4) === 3) this.#text += ',';
    }
    this.#flowBlank(column);
    this.#text += isMap ? '}' : ']';
    this.#depth -= 1;
  }

  #flowBlank(column: number): void {
    const form = this.#choose(10);
    if (form < 7) this.#text += form < 2 ? '' : ' ';
    else if (form < 9) this.#text += `\n${' '.repeat(column + this.#choose(4))}`;
    else this.#text += ` ${this.#pick(comments)}\n${' '.repeat(column + 1)}`;
  }

  #lineEnd(): void {
    this.#text += this.#rarely(' ');
    if (this.#choose(6) === 5) this.#text += ` ${this.#pick(comments)}`;
    this.#text += '\n';
    this.#gap();
  }

  /** Blank lines and comments in any column. */
  #gap(): void {
    for (let lines = this.#choose(12) - 8; lines > 0; lines -= 1) {
      const blanks = ' '.repeat(this.#choose(7));
      this.#text += `${blanks}${this.#choose(3) === 0 ? '' : this.#pick(comments)}\n`;
    }
  }

  /** Now and then a wrong one. */
  #indent(column: number): void {
    const shift = this.#choose(60) === 59 ? this.#choose(3) - 1 : 0;
    this.#text += ' '.repeat(Math.max(0, column + shift));
  }

  #key(): string {
    return this.#choose(4) === 3 ? this.#pick(keys) : `k${this.#next}`;
  }

  #rarely(text: string, other = ''): string {
    return this.#choose(8) === 7 ? text : other;
  }

  #pick(list: readonly string[]): string {
    return list[this.#choose(list.length)] ?? '';
  }

  #choose(count: number): number {
    const choice = this.#choices[this.#next % this.#choices.length] ?? 0;
    this.#next += 1;
    return (choice + (this.#next > this.#choices.length ? this.#next : 0)) % count;
  }
}
