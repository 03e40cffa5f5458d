import { resolve } from 'node:path';
import type { Diagnostic } from '../lib/diagnostic.ts';
import type { Topology } from '../topology/model.ts';
import { lowerNetworks } from './networks/lower.ts';
import { normalize } from './normalize/normalize.ts';
import type { Problem } from './normalize/problem.ts';
import { type LoadOptions, type ParsedFile, parseTopologyFile } from './parse.ts';
import { readTopology } from './read-file.ts';
import { checkCharacters } from './rules/characters.ts';
import { checkRules } from './rules/rules.ts';
import type { Source } from './source.ts';

export interface LoadedFile {
  /** undefined when there is an error. */
  readonly topology: Topology | undefined;
  readonly source: Source;
  /** Errors and warnings, in the order of the file. */
  readonly diagnostics: readonly Diagnostic[];
  /** The text of each file that was read, by its path as messages show it. */
  readonly texts: ReadonlyMap<string, string>;
  /** Values that a file sets and that a later one sets again. */
  readonly overrides: readonly Diagnostic[];
}

/**
 * The whole way from text to topology: every problem is collected, none is thrown. Of the system, only files are read
 * that the text includes.
 */
export async function loadText(
  path: string,
  text: string,
  { folder = '.', ...options }: LoadOptions & { readonly folder?: string } = {},
): Promise<LoadedFile> {
  return examine(await parseTopologyFile({ shown: path, path: resolve(folder, path), text }, options));
}

/** The same from a file that is read already. */
export function loadParsed(parsed: ParsedFile): LoadedFile {
  const { data, diagnostics: found, refused = [], overrides = [] } = parsed;
  const diagnostics = [...found];
  const texts = parsed.texts ?? new Map([[parsed.source.path, parsed.source.text]]);
  if (data === undefined)
    return { topology: undefined, diagnostics, source: parsed.source, texts, overrides };
  // What lacks a part only because that part was refused is not worth a second message.
  const incomplete = new Set(refused.map((pointer) => pointer.slice(0, pointer.lastIndexOf('/'))));
  const reporter = (source: Source) => (problem: Problem) => {
    if (!incomplete.has(problem.place.pointer)) diagnostics.push(toDiagnostic(problem, source));
  };
  checkCharacters(data, texts.values(), reporter(parsed.source));
  const lowered = lowerNetworks({ data, source: parsed.source }, reporter(parsed.source));
  const reportAll = reporter(lowered.source);
  const report = (problem: Problem) => {
    if (!lowered.isKnown(problem)) reportAll(problem);
  };
  const { topology, network } = normalize(lowered.data, report);
  checkRules({ topology, network }, report);
  diagnostics.sort(({ location: a }, { location: b }) => a.line - b.line || a.column - b.column);
  const isValid = diagnostics.every(({ severity }) => severity !== 'error');
  return {
    topology: isValid ? topology : undefined,
    diagnostics,
    source: lowered.source,
    texts,
    overrides,
  };
}

async function examine(parsed: ParsedFile): Promise<LoadedFile> {
  const loaded = loadParsed(parsed);
  if (parsed.isComposed !== true) return loaded;
  const { thinOut } = await import('./compose/problems.ts');
  const { maskValues } = await import('./redact.ts');
  return { ...loaded, diagnostics: thinOut(maskValues(loaded.diagnostics, parsed.outside)) };
}

/**
 * The lab's name alone, of a file that may have errors elsewhere; undefined where it cannot be read.
 *
 * @throws TopoweaveError as loadFile.
 */
export async function loadName(
  path: string,
  shown: string = path,
  options: LoadOptions = {},
): Promise<string | undefined> {
  const { text } = await readTopology(path, shown);
  const isAlone = (options.overlays ?? []).length === 0;
  // In YAML, a line that begins in the first column with a key is one of the whole file, wherever it stands.
  const [line, ...others] = text.match(/^name:.*$/gm) ?? [];
  const plain = /^name: +((?!true\b|false\b|null\b)[a-z][a-z0-9-]{0,31}) *(?: #.*)?$/.exec(line ?? '')?.[1];
  if (isAlone && plain !== undefined && others.length === 0) return plain;
  const { data } = await parseTopologyFile({ shown, path, text }, options);
  // A name that is none was replaced, so that the rest could be checked.
  return data?.name === 'invalid' ? undefined : data?.name;
}

/**
 * Reads and loads a file; `-` is standard input.
 *
 * @param shown the path as messages show it.
 * @throws TopoweaveError with exit code 65 when the file cannot be read.
 */
export async function loadFile(
  path: string,
  shown: string = path,
  options: LoadOptions = {},
): Promise<LoadedFile> {
  const { text, isHidden } = await readTopology(path, shown);
  const name = path === '-' ? '<stdin>' : shown;
  const parsed = await parseTopologyFile({ shown: name, path, text }, options);
  const loaded = await examine(parsed);
  const hidden = new Set([...(parsed.hidden ?? []), ...(isHidden ? [name] : [])]);
  if (hidden.size === 0) return loaded;
  const { redactHidden } = await import('./redact.ts');
  return redactHidden(loaded, hidden);
}

function toDiagnostic(
  { severity = 'error', code, message, place, help, related }: Problem,
  source: Source,
): Diagnostic {
  return {
    severity,
    code,
    message,
    location: source.locate(place),
    ...(help === undefined ? {} : { help }),
    ...(related === undefined
      ? {}
      : {
          related: related.map((other) => ({ message: other.message, location: source.locate(other.place) })),
        }),
  };
}
