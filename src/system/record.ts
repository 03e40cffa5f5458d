import {
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { TopoweaveError } from '../lib/errors.ts';
import { orMissing, withPath } from '../lib/system-error.ts';

/**
 * What the kernel cannot carry, kept under /run so that it goes with the kernel's own state at a reboot. Losing it is
 * survivable: then a changed sysctl of the host keeps its value, and an unmarked leftover is taken as foreign.
 */
export interface LabRecord {
  readonly version: 1;
  readonly lab: string;
  /** The absolute path of the file that was applied last. */
  readonly file?: string;
  /** What else was given for it; values from the environment are not kept. */
  readonly more?: MoreFiles;
  /** Namespaces about to be made: theirs is the time between `netns add` and the mark. */
  readonly claims: readonly string[];
  /** Values from before the lab changed them: namespace → sysctl → value. */
  readonly sysctls: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The sysctls of the machine that the file wants: another lab that goes leaves them as they are. */
  readonly wants?: Readonly<Record<string, string>>;
  /** Options of interfaces that the lab set, by id, with the value from before; '' where a new one got it at once. */
  readonly options?: Readonly<Record<string, string>>;
  /** Identities of addresses and routes on objects of the host that carry no mark, and of rules in chains of others. */
  readonly hostObjects: readonly string[];
  /** The lab has bridges or ports in the database of Open vSwitch, which must answer for them to be seen. */
  readonly ovs?: boolean;
  /** Interfaces that were there before the lab, by id: how they were. */
  readonly adopted: Readonly<Record<string, AdoptedRecord>>;
  /** Namespaces with static forwarding entries of bridges: those that leave the file are looked for there. */
  readonly fdb?: readonly string[];
  /** Numbers of published ports that the file leaves open, by what they are for. */
  readonly ports?: Readonly<Record<string, number>>;
}

export interface AdoptedRecord {
  /** In the machine's own namespace. */
  readonly name: string;
  readonly mtu: number;
  readonly macaddress: string;
  readonly state: string;
  readonly master: string;
  /** Lines of ip(8), without the program's name, that bring its addresses and routes back. */
  readonly lines: readonly string[];
  /** Whether its addresses and routes are the lab's alone, as for a port of a bridge. */
  readonly isExact: boolean;
}

/** The files that were laid over the first one, by their absolute paths, and the variables of the command line. */
export interface MoreFiles {
  readonly over: readonly string[];
  readonly set: Readonly<Record<string, string>>;
}

/** Of the records, the lock and what else the kernel cannot carry. */
export const RECORD_FOLDER = '/run/topoweave';

export function emptyRecord(lab: string): LabRecord {
  return { version: 1, lab, claims: [], sysctls: {}, hostObjects: [], adopted: {} };
}

/** Makes the folder, root-only, and refuses one that somebody else could write. */
export function recordFolder(): string {
  mkdirSync(RECORD_FOLDER, { recursive: true, mode: 0o700 });
  const status = statSync(RECORD_FOLDER);
  if (status.uid !== process.getuid?.() || (status.mode & 0o077) !== 0) {
    throw new TopoweaveError('record-folder', `${RECORD_FOLDER} can be written by others`, {
      hint: `look at it and remove it: rm -r ${RECORD_FOLDER}`,
    });
  }
  return RECORD_FOLDER;
}

export function readRecord(lab: string): LabRecord {
  const text = orMissing(() => readNoLink(recordPath(lab)), undefined, ['ELOOP']);
  if (text === undefined) return emptyRecord(lab);
  try {
    // A border: the file is ours, but may be from a killed run or another version.
    const value = JSON.parse(text) as Partial<LabRecord>;
    if (value.version !== 1 || value.lab !== lab) return emptyRecord(lab);
    return { ...emptyRecord(lab), ...value };
  } catch {
    return emptyRecord(lab);
  }
}

/** The text of a file; a symbolic link is not followed (ELOOP). */
export function readNoLink(path: string): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return withPath(path, () => readFileSync(file, 'utf8'));
  } finally {
    closeSync(file);
  }
}

export function writeRecord(record: LabRecord): void {
  recordFolder();
  writePrivateFile(recordPath(record.lab), `${JSON.stringify(record, null, 1)}\n`);
}

/**
 * Writes a file below the folder that nobody else can read. Atomically: a new file, synced, then renamed over the old
 * one. A symbolic link is never followed.
 */
export function writePrivateFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.new`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  removeIfThere(temporary);
  const file = openSync(temporary, flags, 0o600);
  try {
    withPath(path, () => {
      writeFileSync(file, text);
      fsyncSync(file);
    });
    renameSync(temporary, path);
  } catch (error) {
    // On a full device it would be in the way of the next try.
    unlinkSync(temporary);
    throw error;
  } finally {
    closeSync(file);
  }
}

function removeIfThere(path: string): void {
  orMissing(() => unlinkSync(path), undefined);
}

export function removeRecord(lab: string): void {
  removeIfThere(recordPath(lab));
}

/** The labs that have a record, by name. */
export function recordedLabs(): string[] {
  // Root's alone: for everyone else there is none.
  return orMissing(() => readdirSync(RECORD_FOLDER), [], ['EACCES'])
    .filter((name) => /^[a-z][a-z0-9-]*\.json$/.test(name))
    .map((name) => name.slice(0, -'.json'.length))
    .sort();
}

function recordPath(lab: string): string {
  return join(RECORD_FOLDER, `${lab}.json`);
}
