import { readPlain } from './plain.ts';
import type { ReportCompose } from './problems.ts';
import type { Leaf, MapTree, Origin, Tree } from './tree.ts';

export interface VariableOptions {
  /** From the command line: wins over all. */
  readonly set: ReadonlyMap<string, string>;
  /** Wins over what the files declare. Only names that a file mentions are looked up. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

interface Value {
  readonly value: unknown;
  readonly text: string;
}

/** `${NAME}` with its default or its message, up to the closing brace. */
const opening = /\$(?:(\$)|\{(?:([A-Za-z_]\w*)(:?[-?])?)?)/g;

/** Deeper defaults in defaults have no use. */
const MAX_DEPTH = 20;

/** Variables of variables may double what they stand for, again and again. */
const MAX_LENGTH = 10_000;

/** The variables of all files, as one table, and their substitution in values and keys. */
export class Variables {
  readonly #options: VariableOptions;
  readonly #report: ReportCompose;
  readonly #declared = new Map<string, Leaf>();
  readonly #named = new Set<string>();
  /** Those whose value is being found: a circle comes back to one of them. */
  readonly #open = new Set<string>();
  readonly #found = new Map<string, Value>();
  #depth = 0;

  constructor(options: VariableOptions, report: ReportCompose) {
    this.#options = options;
    this.#report = report;
  }

  /** Takes up the `vars` of a file; those that come later win. */
  declare(file: MapTree): void {
    const vars = file.entries.get('vars');
    if (vars?.kind !== 'map') return;
    this.#found.clear();
    for (const [name, tree] of vars.entries) if (tree.kind === 'leaf') this.#declared.set(name, tree);
  }

  check(file: MapTree): void {
    const vars = file.entries.get('vars');
    if (vars?.kind !== 'map') return;
    for (const [name, tree] of vars.entries) {
      if (!/^[A-Za-z_]\w*$/.test(name)) {
        const message = `a variable cannot be called '${name}'`;
        const help = 'letters, digits and underscores, not beginning with a digit';
        this.#report({ code: 'variable', message, at: tree.origin, part: 'key', help });
      } else if (tree.kind !== 'leaf') {
        const message = `variable '${name}' must be a text, a number, true or false`;
        this.#report({ code: 'wrong-type', message, at: tree.origin });
      }
    }
  }

  /** Names from the command line that no file declares or mentions. */
  unused(): string[] {
    return [...this.#options.set.keys()].filter(
      (name) => !this.#declared.has(name) && !this.#named.has(name),
    );
  }

  known(): string[] {
    return [...new Set([...this.#declared.keys(), ...this.#named])].sort();
  }

  /** The values from outside of the files, which messages do not repeat: they may be secrets. */
  outside(): Map<string, string> {
    const { set, env } = this.#options;
    const values = [...this.#named].flatMap((name): [string, string][] => {
      const text = set.get(name) ?? (Object.hasOwn(env, name) ? env[name] : undefined);
      return text === undefined || text === '' ? [] : [[name, text]];
    });
    return new Map(values);
  }

  /** The same tree with the values in place of the variables. */
  substitute(tree: Tree): Tree {
    if (tree.kind === 'leaf') return this.#leaf(tree);
    if (tree.kind === 'list') return { ...tree, items: tree.items.map((item) => this.substitute(item)) };
    const entries = new Map<string, Tree>();
    for (const [written, child] of tree.entries) {
      const value = this.substitute(child);
      const key = written.includes('$') ? this.#text(written, value.origin, 'key').text : written;
      const earlier = entries.get(key);
      if (earlier === undefined) entries.set(key, value);
      else
        this.#report({
          code: 'duplicate-key',
          message: `key '${key}' is already there`,
          at: value.origin,
          part: 'key',
          related: { message: 'first defined here', at: earlier.origin },
        });
    }
    return { ...tree, entries };
  }

  #leaf(leaf: Leaf): Leaf {
    const { value, origin } = leaf;
    if (typeof value !== 'string' || !value.includes('$')) return leaf;
    const { value: found, text, isPlain } = this.#text(value, origin, 'value');
    return isPlain ? { ...leaf, value: text } : { ...leaf, value: found, text };
  }

  /** `isPlain`: there was no variable in it, at most a doubled dollar sign. */
  #text(text: string, at: Origin, part: 'key' | 'value'): Value & { readonly isPlain: boolean } {
    const pieces: Value[] = [];
    let position = 0;
    let isPlain = true;
    const literal = (piece: string) => piece !== '' && pieces.push({ value: piece, text: piece });
    for (;;) {
      opening.lastIndex = position;
      const match = opening.exec(text);
      if (match === null) break;
      literal(text.slice(position, match.index));
      position = opening.lastIndex;
      if (match[1] !== undefined) {
        literal('$');
        continue;
      }
      isPlain = false;
      const [, , name, operator] = match;
      const end = closingBrace(text, position);
      const rest = text.slice(position, end);
      position = end + 1;
      const isBroken = name === undefined || end === text.length || (operator === undefined && rest !== '');
      if (isBroken) {
        const message = `'${text.slice(match.index, position)}' is not of the form \${NAME}`;
        const help = `also \${NAME:-default} and \${NAME:?message}; a dollar sign itself is $$`;
        this.#report({ code: 'variable', message, at, part, help });
        continue;
      }
      pieces.push(this.#resolve({ name, operator, rest }, at, part));
    }
    literal(text.slice(position));
    const [only] = pieces;
    if (only !== undefined && pieces.length === 1) return { ...only, isPlain };
    const joined = pieces.map((piece) => piece.text).join('');
    if (!isPlain && joined.length > MAX_LENGTH) {
      const message = `with its variables, this is longer than ${MAX_LENGTH} characters`;
      this.#report({ code: 'variable', message, at, part });
      return { value: '', text: '', isPlain };
    }
    return { value: readPlain(joined), text: joined, isPlain };
  }

  #resolve(
    { name, operator, rest }: { name: string; operator: string | undefined; rest: string },
    at: Origin,
    part: 'key' | 'value',
  ): Value {
    this.#named.add(name);
    const found = this.#find(name, at, part);
    const isSet = found !== undefined && !(operator?.startsWith(':') && found.text === '');
    if (isSet) return found;
    if (operator?.endsWith('-') && this.#depth < MAX_DEPTH) {
      this.#depth += 1;
      const value = this.#text(rest, at, part);
      this.#depth -= 1;
      return value.isPlain ? { ...value, value: readPlain(value.text) } : value;
    }
    const reason = operator === undefined || rest === '' ? '' : `: ${rest}`;
    this.#report({
      code: 'undefined-variable',
      message: `variable '${name}' is ${found === undefined ? 'not set' : 'empty'}${reason}`,
      at,
      part,
      help: `use --set ${name}=VALUE or the environment, or give it a default: \${${name}:-VALUE}, or under vars`,
    });
    return { value: '', text: '' };
  }

  #find(name: string, at: Origin, part: 'key' | 'value'): Value | undefined {
    const { set, env } = this.#options;
    const text = set.get(name) ?? (Object.hasOwn(env, name) ? env[name] : undefined);
    if (text !== undefined) return { value: readPlain(text), text };
    const leaf = this.#declared.get(name);
    if (leaf === undefined || leaf.value === null) return undefined;
    if (typeof leaf.value !== 'string') return { value: leaf.value, text: String(leaf.value) };
    if (!leaf.value.includes('$')) return { value: readPlain(leaf.value), text: leaf.value };
    const known = this.#found.get(name);
    if (known !== undefined) return known;
    if (this.#open.has(name) || this.#open.size > MAX_DEPTH) {
      this.#report({ code: 'variable', message: `variable '${name}' contains itself`, at, part });
      return { value: '', text: '' };
    }
    this.#open.add(name);
    const value = this.#text(leaf.value, leaf.origin, 'value');
    this.#open.delete(name);
    this.#found.set(name, value);
    return value;
  }
}

/** Where the brace that is open ends, those inside of it left out; the length of the text: nowhere. */
function closingBrace(text: string, from: number): number {
  let depth = 0;
  for (let position = from; position < text.length; position += 1) {
    if (text.startsWith('${', position)) depth += 1;
    else if (text[position] === '}') {
      if (depth === 0) return position;
      depth -= 1;
    }
  }
  return text.length;
}
