import { type Alias, type Document, isAlias, isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';
import { type AliasTarget, isMergeKey } from './document-source.ts';

/**
 * So many values may come in by aliases and merge keys, however often each is used: thousands of namespaces may share
 * one anchor, and aliases that multiply ("billion laughs") end here.
 */
const MAX_SHARED = 1_000_000;

export class TooManyAliases extends Error {
  readonly alias: Alias;

  constructor(alias: Alias) {
    super('the aliases multiply to more than can be read');
    this.alias = alias;
  }
}

/**
 * The plain data of a document whose aliases are all right. The package's own `toJS` walks the whole document for each
 * alias; this takes each anchor once, and every use of it is the same object.
 *
 * @throws TooManyAliases
 */
export function dataOfDocument(document: Document, aliases: ReadonlyMap<Alias, AliasTarget>): unknown {
  return new DataReader(aliases).read(document.contents);
}

interface Known {
  readonly data: unknown;
  /** How many values it is, with all that it shares. */
  readonly size: number;
}

class DataReader {
  readonly #aliases: ReadonlyMap<Alias, AliasTarget>;
  readonly #known = new Map<Node, Known>();
  #size = 0;
  #shared = 0;

  constructor(aliases: ReadonlyMap<Alias, AliasTarget>) {
    this.#aliases = aliases;
  }

  read(node: unknown): unknown {
    if (isAlias(node)) return this.#use(node);
    this.#size += 1;
    if (isScalar(node)) return node.value;
    if (!isMap(node) && !isSeq(node)) return null;
    const before = this.#size;
    const data = isMap(node) ? this.#map(node) : node.items.map((item) => this.read(item));
    if (node.anchor !== undefined) this.#known.set(node, { data, size: this.#size - before + 1 });
    return data;
  }

  #use(alias: Alias): unknown {
    const target = this.#aliases.get(alias)?.target;
    const known = target === undefined ? undefined : this.#known.get(target);
    this.#count(known?.size ?? 1, alias);
    if (known !== undefined) return known.data;
    return isScalar(target) ? target.value : null;
  }

  #count(size: number, alias: Alias): void {
    this.#size += size;
    this.#shared += size;
    if (this.#shared > MAX_SHARED) throw new TooManyAliases(alias);
  }

  #map(node: YAMLMap): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (const { key, value } of node.items) {
      if (isMergeKey(key)) this.#merge(map, value);
      else {
        const name = isScalar(key) ? String(key.value ?? '') : String(key);
        put(map, name, this.read(value));
      }
    }
    return map;
  }

  /** What the map has already wins, and of several the first. */
  #merge(map: Record<string, unknown>, value: unknown): void {
    const target = isAlias(value) ? this.#aliases.get(value)?.target : value;
    if (isSeq(target)) {
      for (const item of target.items) this.#mergeOne(map, item);
    } else this.#mergeOne(map, value);
  }

  #mergeOne(map: Record<string, unknown>, item: unknown): void {
    const merged = this.read(item);
    if (typeof merged !== 'object' || merged === null) return;
    for (const [name, value] of Object.entries(merged)) if (!Object.hasOwn(map, name)) put(map, name, value);
  }
}

function put(map: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') map[name] = value;
  else Object.defineProperty(map, name, { value, writable: true, enumerable: true, configurable: true });
}
