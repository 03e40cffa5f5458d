import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Place } from '../lib/diagnostic.ts';
import { InvalidFileError, UnavailableError, UsageError } from '../lib/errors.ts';
import { type LoadedFile, loadFile, loadName } from '../loader/load.ts';
import { readRecord, recordedLabs } from '../system/record.ts';
import type { Topology } from '../topology/model.ts';
import type { Context, Io } from './command.ts';

export interface LoadedLab {
  readonly topology: Topology;
  /** The absolute path. */
  readonly file: string;
  readonly locate: (place: Place) => string;
}

/** Loads a valid file and prints its warnings. */
export async function loadLab({ io, color }: Context, path: string): Promise<LoadedLab> {
  const loaded: LoadedFile = await loadFile(filePath(io, path), path);
  const { topology, source, diagnostics } = loaded;
  if (topology === undefined) throw new InvalidFileError(diagnostics, new Map([[source.path, source.text]]));
  if (diagnostics.length > 0) {
    const { formatDiagnostics } = await import('../report/diagnostics.ts');
    io.stderr(
      formatDiagnostics(diagnostics, new Map([[source.path, source.text]]), {
        color: color.stderr,
        columns: io.columns,
      }),
    );
  }
  const name = path === '-' ? 'stdin' : basename(path);
  return { topology, file: resolve(io.cwd, path), locate: (place) => `${name}:${source.locate(place).line}` };
}

/**
 * The lab's name from what the user typed: a file, or a name. A file that is gone is known from the record of the lab
 * that it was applied for; of a broken file only its name counts.
 */
export async function resolveLabName(context: Context, fileOrName: string): Promise<string> {
  const path = resolve(context.io.cwd, fileOrName);
  if (existsSync(path)) {
    const name = await loadName(path, fileOrName);
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

export function isLabName(text: string): boolean {
  return /^[a-z][a-z0-9-]{0,31}$/.test(text);
}

/** The path to open: absolute, so that it does not depend on the process's own folder; `-` is standard input. */
export function filePath(io: Io, path: string): string {
  return path === '-' ? path : resolve(io.cwd, path);
}

/** Reading and changing namespaces takes CAP_SYS_ADMIN and CAP_NET_ADMIN; without root it works in a sandbox. */
export function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new UnavailableError(
    'privilege',
    'this needs root',
    'use sudo, or try it in a throw-away host: topoweave sandbox -- topoweave …',
  );
}
