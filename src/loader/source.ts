import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
  type Pair,
  type YAMLMap,
} from 'yaml';
import type { Location, Place } from '../lib/diagnostic.ts';
import { pointerParts } from '../lib/pointer.ts';

/** A file with its text and its YAML document: finds the line and column of any place in it. */
export class Source {
  readonly path: string;
  readonly text: string;
  readonly #document: Document;
  readonly #lines: LineCounter;
  /** Pairs of a map by key, made at the first look-up, so that many look-ups in a large map stay linear. */
  readonly #pairs = new WeakMap<YAMLMap, Map<string, Pair>>();

  constructor(path: string, text: string, document: Document, lines: LineCounter) {
    this.path = path;
    this.text = text;
    this.#document = document;
    this.#lines = lines;
  }

  /** Where a place is. One that is not there is shown as its nearest ancestor that is. */
  locate({ pointer, part }: Place): Location {
    let node: unknown = this.#document.contents;
    let key: unknown;
    for (const name of pointerParts(pointer)) {
      const found = this.#child(node, name);
      if (found === undefined) break;
      key = found.key;
      node = found.value;
    }
    const wanted = part === 'key' && isNode(key) ? key : isNode(node) ? node : key;
    return this.range(...rangeOf(wanted, this.text));
  }

  /** The location of a range of offsets. */
  range(start: number, end: number): Location {
    const from = this.#lines.linePos(start);
    const to = this.#lines.linePos(Math.max(start, end));
    return {
      file: this.path,
      line: Math.max(1, from.line),
      column: Math.max(1, from.col),
      endLine: Math.max(1, to.line),
      endColumn: Math.max(1, to.col),
    };
  }

  #child(parent: unknown, name: string): { key: unknown; value: unknown } | undefined {
    const node = isAlias(parent) ? parent.resolve(this.#document) : parent;
    if (isSeq(node)) {
      const value = node.items[Number(name)];
      return value === undefined ? undefined : { key: value, value };
    }
    if (!isMap(node)) return undefined;
    const pair = this.#pairsOf(node).get(name);
    return pair === undefined ? undefined : { key: pair.key, value: pair.value ?? pair.key };
  }

  /** The pairs of a map, those that it merges in (`<<`) included: what the map says itself wins. */
  #pairsOf(map: YAMLMap): Map<string, Pair> {
    const known = this.#pairs.get(map);
    if (known !== undefined) return known;
    const pairs = new Map<string, Pair>();
    this.#pairs.set(map, pairs);
    const merged: unknown[] = [];
    for (const pair of map.items) {
      if (!isPair(pair)) continue;
      const key = isScalar(pair.key) ? pair.key.value : pair.key;
      // The package keeps the key of a merge as a symbol.
      const name = typeof key === 'symbol' ? (key.description ?? '') : String(key);
      if (name === '<<') merged.push(...(isSeq(pair.value) ? pair.value.items : [pair.value]));
      else pairs.set(name, pair);
    }
    for (const item of merged) {
      const node = isAlias(item) ? item.resolve(this.#document) : item;
      if (!isMap(node)) continue;
      for (const [name, pair] of this.#pairsOf(node)) if (!pairs.has(name)) pairs.set(name, pair);
    }
    return pairs;
  }
}

/** The range of a node, without the blanks and line ends that belong to a block behind its last entry. */
function rangeOf(node: unknown, text: string): [number, number] {
  const range = (node as Node | undefined)?.range;
  if (range === undefined || range === null) return [0, 0];
  const [start, end] = range;
  const length = text.slice(start, end).trimEnd().length;
  return [start, start + length];
}
