import { existsSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import type { Diagnostic, Place } from '../lib/diagnostic.ts';
import { InvalidFileError, UnavailableError, UsageError } from '../lib/errors.ts';
import { type LoadedFile, loadFile, loadName } from '../loader/load.ts';
import { missingCapabilities } from '../system/privileges.ts';
import { type MoreFiles, readRecord, recordedLabs } from '../system/record.ts';
import type { Topology } from '../topology/model.ts';
import type { Context } from './command.ts';
import { type Choice, filePath } from './files.ts';
import { isLabName } from './lab-name.ts';

export interface LoadedLab {
  readonly topology: Topology;
  /** The absolute path of the first file. */
  readonly file: string;
  /** What else made the lab what it is. */
  readonly more: MoreFiles;
  /** Values that a later file changed. */
  readonly overrides: readonly Diagnostic[];
  readonly texts: ReadonlyMap<string, string>;
  readonly locate: (place: Place) => string;
}

/** Loads a valid file and prints its warnings. */
export async function loadLab({ io, color }: Context, { file, load }: Choice): Promise<LoadedLab> {
  const loaded: LoadedFile = await loadFile(filePath(io, file), file, load);
  const { topology, source, diagnostics, texts, overrides } = loaded;
  if (topology === undefined) throw new InvalidFileError(diagnostics, texts);
  if (diagnostics.length > 0) {
    const { formatDiagnostics } = await import('../report/diagnostics.ts');
    io.stderr(formatDiagnostics(diagnostics, texts, { color: color.stderr, columns: io.columns }));
  }
  const more: MoreFiles = {
    over: (load.overlays ?? []).map(({ path }) => path),
    set: Object.fromEntries(load.set ?? []),
  };
  const folder = dirname(resolve(io.cwd, file));
  const locate = (place: Place) => {
    const { file: shown, line } = source.locate(place);
    const name = shown === '<stdin>' ? 'stdin' : relative(folder, resolve(io.cwd, shown));
    return `${name}:${line}`;
  };
  return { topology, file: resolve(io.cwd, file), more, overrides, texts, locate };
}

/**
 * The lab's name from what the user typed: a file, or a name. A file that is gone is known from the record of the lab
 * that it was applied for; of a broken file only its name counts.
 */
export async function resolveLabName(context: Context, { file: fileOrName, load }: Choice): Promise<string> {
  const path = resolve(context.io.cwd, fileOrName);
  if (existsSync(path)) {
    const name = await loadName(path, fileOrName, load);
    if (name !== undefined) return name;
    throw new UsageError(`${fileOrName} has no valid name`, 'give the name of the lab instead of the file');
  }
  const recorded = recordedLabs().find((lab) => readRecord(lab).file === path);
  if (recorded !== undefined) return recorded;
  if (isLabName(fileOrName)) return fileOrName;
  throw new UsageError(
    `there is no file ${fileOrName}`,
    "give a file or a lab's name; 'topoweave status' lists the labs",
  );
}

/** Root in name only, as in a container, is told so before anything is changed. */
function requireCapabilities(): void {
  const missing = missingCapabilities();
  if (missing.length === 0) return;
  throw new UnavailableError(
    'privilege',
    `this needs ${missing.join(' and ')}, which root does not have here`,
    'give them to it (docker run --privileged, say), or try it in a throw-away host: topoweave sandbox -- topoweave …',
  );
}

/** Reading and changing namespaces takes CAP_SYS_ADMIN and CAP_NET_ADMIN; without root it works in a sandbox. */
export function requireRoot(): void {
  if (process.getuid?.() === 0) {
    requireCapabilities();
    return;
  }
  throw new UnavailableError(
    'privilege',
    'this needs root',
    'use sudo, or try it in a throw-away host: topoweave sandbox -- topoweave …',
  );
}
