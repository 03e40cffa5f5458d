import { open, stat } from 'node:fs/promises';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { TopoweaveError } from '../lib/errors.ts';
import { exitCodes } from '../lib/exit-codes.ts';
import type { Topology } from '../topology/model.ts';
import { normalize } from './normalize/normalize.ts';
import type { Problem } from './normalize/problem.ts';
import { type ParsedFile, parseTopologyFile } from './parse.ts';
import { checkRules } from './rules/rules.ts';
import type { Source } from './source.ts';

export interface LoadedFile {
  /** undefined when there is an error. */
  readonly topology: Topology | undefined;
  readonly source: Source;
  /** Errors and warnings, in the order of the file. */
  readonly diagnostics: readonly Diagnostic[];
}

/** 4,000 namespaces take about a megabyte: what is larger is not a topology. */
const LARGEST_FILE = 32 * 1024 * 1024;

/** The whole way from text to topology, without touching the system: every problem is collected, none is thrown. */
export async function loadText(path: string, text: string): Promise<LoadedFile> {
  return loadParsed(await parseTopologyFile(path, text));
}

/** The same from a file that is read already. */
export function loadParsed({ source, data, diagnostics: found, refused = [] }: ParsedFile): LoadedFile {
  const diagnostics = [...found];
  if (data === undefined) return { topology: undefined, source, diagnostics };
  // What lacks a part only because that part was refused is not worth a second message.
  const incomplete = new Set(refused.map((pointer) => pointer.slice(0, pointer.lastIndexOf('/'))));
  const report = (problem: Problem) => {
    if (!incomplete.has(problem.place.pointer)) diagnostics.push(toDiagnostic(problem, source));
  };
  const { topology, network } = normalize(data, report);
  checkRules({ topology, network }, report);
  diagnostics.sort(({ location: a }, { location: b }) => a.line - b.line || a.column - b.column);
  const isValid = diagnostics.every(({ severity }) => severity !== 'error');
  return { topology: isValid ? topology : undefined, source, diagnostics };
}

/**
 * The lab's name alone, of a file that may have errors elsewhere; undefined where it cannot be read.
 *
 * @throws TopoweaveError as loadFile.
 */
export async function loadName(path: string, shown: string = path): Promise<string | undefined> {
  const text = await readTopology(path, shown);
  // In YAML, a line that begins in the first column with a key is one of the whole file, wherever it stands.
  const [line, ...others] = text.match(/^name:.*$/gm) ?? [];
  const plain = /^name: +((?!true\b|false\b|null\b)[a-z][a-z0-9-]{0,31}) *(?: #.*)?$/.exec(line ?? '')?.[1];
  if (plain !== undefined && others.length === 0) return plain;
  const { data } = await parseTopologyFile(shown, text);
  // A name that is none was replaced, so that the rest could be checked.
  return data?.name === 'invalid' ? undefined : data?.name;
}

/**
 * Reads and loads a file; `-` is standard input.
 *
 * @param shown the path as messages show it.
 * @throws TopoweaveError with exit code 65 when the file cannot be read.
 */
export async function loadFile(path: string, shown: string = path): Promise<LoadedFile> {
  return loadText(path === '-' ? '<stdin>' : shown, await readTopology(path, shown));
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

async function readTopology(path: string, shown: string): Promise<string> {
  if (path === '-') {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
    return decode(Buffer.concat(chunks), shown);
  }
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw unreadable(shown, 'it is a folder');
    if (status.size > LARGEST_FILE)
      throw unreadable(shown, `it has ${status.size} bytes; at most ${LARGEST_FILE} are read`);
    const file = await open(path);
    try {
      return decode(await file.readFile(), shown);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof TopoweaveError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw unreadable(
      shown,
      code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'permission denied' : String(code),
    );
  }
}

function decode(bytes: Buffer, shown: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw unreadable(shown, 'it is not UTF-8 text');
  }
}

function unreadable(shown: string, reason: string): TopoweaveError {
  return new TopoweaveError('unreadable', `cannot read ${shown}: ${reason}`, {
    exitCode: exitCodes.invalidFile,
  });
}
