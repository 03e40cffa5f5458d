import { pointer } from '../../lib/pointer.ts';
import type { Source } from '../source.ts';
import type { Scope } from './expressions.ts';

/** Where a part of a composed topology is written. */
export interface Origin {
  readonly source: Source;
  readonly pointer: string;
}

/**
 * The content of one file, or of several that became one. Each part knows where it is written; what a range or a
 * template copies has the place of its original.
 */
export type Tree = Leaf | MapTree | ListTree;

export interface Leaf {
  readonly kind: 'leaf';
  readonly value: unknown;
  readonly origin: Origin;
  /** What it is as a text, where a variable or an expression made it: the schema may want a text there. */
  readonly text?: string;
  /** Of the name of a template: what the range around it stands for. */
  readonly scope?: Scope;
}

export interface MapTree {
  readonly kind: 'map';
  readonly entries: Map<string, Tree>;
  readonly origin: Origin;
}

export interface ListTree {
  readonly kind: 'list';
  readonly items: readonly Tree[];
  readonly origin: Origin;
}

export function treeOf(value: unknown, source: Source, at = ''): Tree {
  const origin: Origin = { source, pointer: at };
  if (Array.isArray(value)) {
    const items = value.map((item: unknown, index) => treeOf(item, source, `${at}/${index}`));
    return { kind: 'list', items, origin };
  }
  if (typeof value !== 'object' || value === null) return { kind: 'leaf', value, origin };
  const entries = new Map<string, Tree>();
  for (const [key, child] of Object.entries(value))
    entries.set(key, treeOf(child, source, at + pointer(key)));
  return { kind: 'map', entries, origin };
}

/** The plain data of a tree; `__proto__` is an ordinary key. */
export function dataOf(tree: Tree): unknown {
  if (tree.kind === 'leaf') return tree.value;
  if (tree.kind === 'list') return tree.items.map(dataOf);
  const data: Record<string, unknown> = {};
  for (const [key, child] of tree.entries) {
    const value = dataOf(child);
    if (key !== '__proto__') data[key] = value;
    else Object.defineProperty(data, key, { value, writable: true, enumerable: true, configurable: true });
  }
  return data;
}

export function childOf(tree: Tree | undefined, name: string): Tree | undefined {
  if (tree?.kind === 'map') return tree.entries.get(name);
  return tree?.kind === 'list' ? tree.items[Number(name)] : undefined;
}

/** The texts of a list, or the one text that stands for a list of one. */
export function leavesOf(tree: Tree | undefined): Leaf[] {
  if (tree === undefined) return [];
  const items = tree.kind === 'list' ? tree.items : [tree];
  return items.filter((item): item is Leaf => item.kind === 'leaf' && typeof item.value === 'string');
}
