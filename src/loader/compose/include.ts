import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { compareNames } from '../../lib/collections.ts';
import type { Diagnostic } from '../../lib/diagnostic.ts';
import { TopoweaveError } from '../../lib/errors.ts';
import { type ReadText, readTopology } from '../read-file.ts';
import { readYaml } from '../read-yaml.ts';
import type { ReportCompose } from './problems.ts';
import { type Leaf, leavesOf, type MapTree, treeOf } from './tree.ts';
import type { Variables } from './variables.ts';

/** One file that is to be read; `text` where it is read already. */
export interface InputFile {
  /** As messages show it. */
  readonly shown: string;
  /** Absolute, or `-`. */
  readonly path: string;
  readonly text?: string;
}

export interface Part {
  readonly file: InputFile;
  readonly tree: MapTree;
}

const MAX_DEPTH = 16;
const MAX_FILES = 1000;

interface IncluderOptions {
  readonly variables: Variables;
  readonly report: ReportCompose;
  readonly onText: (shown: string, text: string) => void;
  /** The user behind sudo may not read the file. */
  readonly onHidden: (shown: string) => void;
  readonly onDiagnostics: (found: readonly Diagnostic[]) => void;
}

/** Reads files with all that they include, each once; what is included stands before what includes it. */
export class Includer {
  readonly #options: IncluderOptions;
  readonly #seen = new Set<string>();
  readonly parts: Part[] = [];

  constructor(options: IncluderOptions) {
    this.#options = options;
  }

  /** @throws TopoweaveError when the file itself cannot be read. */
  async read(file: InputFile, chain: readonly InputFile[] = []): Promise<void> {
    this.#seen.add(file.path);
    const { text, isHidden } = await this.#text(file, chain[0]);
    this.#options.onText(file.shown, text);
    if (isHidden) this.#options.onHidden(file.shown);
    const { source, data, diagnostics } = await readYaml(file.shown, text);
    this.#options.onDiagnostics(diagnostics);
    if (data === undefined) return;
    // Notes are not read: what they say with dollar signs or brackets has no meaning.
    const read = Object.fromEntries(Object.entries(data).filter(([key]) => !key.startsWith('x-')));
    const tree = treeOf(read, source) as MapTree;
    this.#options.variables.check(tree);
    this.#options.variables.declare(tree);
    for (const reference of leavesOf(tree.entries.get('include')))
      await this.#include(reference, [...chain, file]);
    this.parts.push({ file, tree });
    // Its own variables win over those of what it includes.
    this.#options.variables.declare(tree);
  }

  async #text({ text, path, shown }: InputFile, root: InputFile | undefined): Promise<ReadText> {
    if (text !== undefined) return { text, isHidden: false };
    return readTopology(path, shown, root === undefined ? {} : { root: root.path });
  }

  async #include(reference: Leaf, chain: readonly InputFile[]): Promise<void> {
    const { report, variables } = this.#options;
    const at = reference.origin;
    const fail = (message: string, help?: string) =>
      report({ code: 'include', message, at, ...(help === undefined ? {} : { help }) });
    const wanted = String(dataText(variables.substitute(reference) as Leaf));
    const from = chain.at(-1);
    if (from === undefined || wanted === '') return;
    const base = from.path === '-' ? process.cwd() : dirname(from.path);
    const found = await filesOf(resolve(base, wanted));
    if (found.length === 0)
      fail(`no file matches ${wanted}`, 'the path is relative to the file that includes it');
    for (const path of found) {
      const name = wanted.includes('*') ? join(dirname(wanted), basename(path)) : wanted;
      const shown = from.path === '-' || resolve(wanted) === wanted ? name : join(dirname(from.shown), name);
      const circle = chain.findIndex((each) => each.path === path);
      if (circle !== -1) {
        const names = [...chain.slice(circle).map((each) => each.shown), shown];
        fail(`${shown} includes itself: ${names.join(' -> ')}`);
      } else if (chain.length >= MAX_DEPTH) fail(`files include one another deeper than ${MAX_DEPTH} levels`);
      else if (this.#seen.size >= MAX_FILES) fail(`more than ${MAX_FILES} files are included`);
      else if (!this.#seen.has(path)) await this.#readIncluded({ path, shown }, chain, fail);
    }
  }

  async #readIncluded(
    file: InputFile,
    chain: readonly InputFile[],
    fail: (message: string) => void,
  ): Promise<void> {
    try {
      await this.read(file, chain);
    } catch (error) {
      if (!(error instanceof TopoweaveError)) throw error;
      fail(error.message);
    }
  }
}

function dataText({ value, text }: Leaf): unknown {
  return text ?? value;
}

/** The path itself, or for a `*` in its last part the files that match, by name. */
async function filesOf(path: string): Promise<string[]> {
  const pattern = basename(path);
  if (!pattern.includes('*')) return [path];
  const folder = dirname(path);
  const words = pattern.split('*').map((word) => word.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
  const isMatch = new RegExp(`^(?!\\.)${words.join('[^/]*')}$`, 'u');
  try {
    const names = (await readdir(folder)).filter((name) => isMatch.test(name));
    return names.sort(compareNames).map((name) => join(folder, name));
  } catch {
    return [];
  }
}
