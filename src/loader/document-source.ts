import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
  visit,
  type YAMLMap,
} from 'yaml';
import type { Location, Place } from '../lib/diagnostic.ts';
import { pointer, pointerParts } from '../lib/pointer.ts';
import type { Trace, TraceSource } from './source.ts';

export interface SourceOptions {
  readonly path: string;
  readonly text: string;
  readonly document: Document;
  readonly lines: LineCounter;
  /** Lists that lost items, by their pointer: where each item that is left was in the file. */
  readonly kept?: ReadonlyMap<string, readonly number[]>;
}

interface Entry {
  readonly key: Node | undefined;
  readonly value: Node | undefined;
  /** The alias of the merge key that brings the entry in. */
  readonly via: Alias | undefined;
}

/** The places of a file by its document of the package `yaml`, which takes all of YAML and files with mistakes. */
export class DocumentSource implements TraceSource {
  readonly path: string;
  readonly text: string;
  readonly #options: SourceOptions;
  /** The entries of a map by key, made at its first look-up, so that many look-ups in a large map stay linear. */
  readonly #entries = new WeakMap<YAMLMap, Map<string, Entry>>();
  #aliases: ReadonlyMap<Alias, AliasTarget> | undefined;

  constructor(options: SourceOptions) {
    this.path = options.path;
    this.text = options.text;
    this.#options = options;
  }

  locate(place: Place): Location {
    return this.trace(place).location;
  }

  /** Where a place is, and the alias or merge key that was followed on the way. */
  trace({ pointer: path, part }: Place): Trace {
    let entry: Entry = { key: undefined, value: this.#root(), via: undefined };
    let via: Alias | undefined;
    let prefix = '';
    for (const name of pointerParts(path)) {
      const parent = this.#follow(entry.value);
      if (isAlias(entry.value)) via ??= entry.value;
      const child = this.#child(parent, this.#originalName(prefix, name));
      if (child === undefined) break;
      entry = child;
      via ??= child.via;
      prefix += pointer(name);
    }
    const wanted = part === 'key' ? (entry.key ?? entry.value) : this.#follow(entry.value);
    if (part === 'value' && isAlias(entry.value)) via ??= entry.value;
    // A value that is not written at all has no place of its own.
    const node = wanted === undefined || isEmpty(wanted) ? (entry.key ?? wanted) : wanted;
    const usedAt = via === undefined ? undefined : this.#locationOf(via);
    return { location: this.#locationOf(node), usedAt };
  }

  withKept(kept: ReadonlyMap<string, readonly number[]>): DocumentSource {
    return new DocumentSource({ ...this.#options, kept });
  }

  /** The location of a range of offsets. */
  range(start: number, end: number): Location {
    const { lines } = this.#options;
    const from = lines.linePos(start);
    const to = lines.linePos(Math.max(start, end));
    return {
      file: this.path,
      line: Math.max(1, from.line),
      column: Math.max(1, from.col),
      endLine: Math.max(1, to.line),
      endColumn: Math.max(1, to.col),
    };
  }

  #root(): Node | undefined {
    const { contents } = this.#options.document;
    return isNode(contents) ? contents : undefined;
  }

  #originalName(list: string, name: string): string {
    return String(this.#options.kept?.get(list)?.[Number(name)] ?? name);
  }

  #child(parent: Node | undefined, name: string): Entry | undefined {
    if (isMap(parent)) return this.#entriesOf(parent).get(name);
    const item = isSeq(parent) ? parent.items[Number(name)] : undefined;
    return isNode(item) ? { key: item, value: item, via: undefined } : undefined;
  }

  /** The entries of a map, those that it merges in (`<<`) included: what the map says itself wins. */
  #entriesOf(map: YAMLMap): Map<string, Entry> {
    const known = this.#entries.get(map);
    if (known !== undefined) return known;
    const entries = new Map<string, Entry>();
    this.#entries.set(map, entries);
    const merged: unknown[] = [];
    for (const { key, value } of map.items) {
      if (isMergeKey(key)) merged.push(...(isSeq(value) ? value.items : [value]));
      else
        entries.set(isScalar(key) ? String(key.value) : String(key), {
          key: isNode(key) ? key : undefined,
          value: isNode(value) ? value : undefined,
          via: undefined,
        });
    }
    for (const item of merged) {
      const target = this.#follow(item);
      if (!isMap(target)) continue;
      const via = isAlias(item) ? item : undefined;
      for (const [name, entry] of this.#entriesOf(target))
        if (!entries.has(name)) entries.set(name, { ...entry, via: via ?? entry.via });
    }
    return entries;
  }

  #follow(node: unknown): Node | undefined {
    let target = isNode(node) ? node : undefined;
    // An alias never stands for another alias, but a file that is still broken may have a circle.
    for (let depth = 0; isAlias(target) && depth < 8; depth += 1) {
      this.#aliases ??= resolveAliases(this.#options.document);
      target = this.#aliases.get(target)?.target;
    }
    return target;
  }

  #locationOf(node: Node | undefined): Location {
    const [start, end] = node?.range ?? [0, 0];
    // The range of a block goes on to the next entry: the blanks and line ends behind it are not meant.
    return this.range(start, start + this.text.slice(start, end).trimEnd().length);
  }
}

export interface AliasTarget {
  /** undefined: no such anchor stands before the alias. */
  readonly target: Node | undefined;
  /** The alias stands inside of what it means. */
  readonly isCircular: boolean;
}

/** Where a place of the file is in data whose lists lost items. */
export function movedPath(path: string, kept: ReadonlyMap<string, readonly number[]>): string {
  let moved = '';
  for (const part of pointerParts(path)) {
    const index = kept.get(moved)?.indexOf(Number(part));
    moved += pointer(index ?? part);
  }
  return moved;
}

/** What each alias means, in one walk: the package's own `resolve` walks the document for each alias. */
export function resolveAliases(document: Document): ReadonlyMap<Alias, AliasTarget> {
  const anchors = new Map<string, Node>();
  const aliases = new Map<Alias, AliasTarget>();
  visit(document, {
    Node: (_key, node, path) => {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        aliases.set(node, { target, isCircular: target !== undefined && path.includes(target) });
      } else if (node.anchor !== undefined) {
        anchors.set(node.anchor, node);
      }
    },
  });
  return aliases;
}

/** Merge keys whose value is neither a map nor a list of maps, by its offsets. */
export function brokenMerges(
  document: Document,
  aliases: ReadonlyMap<Alias, AliasTarget>,
): (readonly [number, number])[] {
  const broken: (readonly [number, number])[] = [];
  visit(document, {
    Pair: (_key, { key, value }) => {
      if (!isMergeKey(key) || !isScalar(key)) return;
      const [start, end] = (isNode(value) ? value : key).range ?? [0, 0];
      const follow = (node: unknown) => (isAlias(node) ? aliases.get(node)?.target : node);
      const merged = follow(value);
      const items: unknown[] = isSeq(merged) ? merged.items : [merged];
      if (!items.every((item) => isMap(follow(item)))) broken.push([start, end]);
    },
  });
  return broken;
}

export interface RepeatedKey {
  readonly name: string;
  readonly first: readonly [number, number];
  readonly again: readonly [number, number];
}

/** The keys that their map has already; 7 and "7" are the same to a topology. */
export function repeatedKeys(document: Document): RepeatedKey[] {
  const repeated: RepeatedKey[] = [];
  visit(document, {
    Map: (_key, map) => {
      const seen = new Map<string, readonly [number, number]>();
      for (const { key } of map.items) {
        if (!isScalar(key) || !Array.isArray(key.range)) continue;
        const [start, end] = key.range;
        // The same letters may be written as other characters: é is one or two.
        const name = isMergeKey(key) ? '<<' : String(key.value).normalize();
        const first = seen.get(name);
        if (first === undefined) seen.set(name, [start, end]);
        else repeated.push({ name, first, again: [start, end] });
      }
    },
  });
  return repeated;
}

/** The package keeps a merge key as a symbol; a quoted "<<" is an ordinary key. */
export function isMergeKey(key: unknown): boolean {
  if (!isScalar(key)) return false;
  return typeof key.value === 'symbol' || (key.value === '<<' && key.type === 'PLAIN');
}

function isEmpty(node: Node): boolean {
  return node.range !== undefined && node.range !== null && node.range[0] === node.range[1];
}
