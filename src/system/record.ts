import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TopoweaveError } from '../lib/errors.ts';
import { orMissing, withPath } from '../lib/system-error.ts';
import { noteDamage, removeIfThere } from './damage.ts';
import { lostWords, nothingOf, type ShapedRecord, shapeRecord } from './record-shape.ts';
import { readStateFile } from './state-file.ts';

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
  /** Namespaces that the lab has: a mark in another one is somebody else's word. Missing: from a version without it. */
  readonly namespaces?: readonly string[];
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
  /** Folders below /etc/netns that are about to be made or removed; '.' is /etc/netns itself. */
  readonly etc?: readonly string[];
  /** An earlier record of this lab was damaged: what nobody knows any more. */
  readonly damage?: RecordDamage;
  /** Only while a plan is made, and never written: how marks tell what a damaged record does not. */
  readonly orphans?: Orphans;
}

export interface Orphans {
  /** Objects of the host that other labs' records name. */
  readonly named: ReadonlySet<string>;
  /** Nobody else can have lost one: what no record names is this lab's. */
  readonly isAlone: boolean;
}

export interface RecordDamage {
  /** Where the damaged one is. */
  readonly kept: string;
  /** Fields of which something may be missing. */
  readonly lost: readonly string[];
  /** Sysctls of the machine whose values from before are not known. */
  readonly sysctls: readonly string[];
}

export interface AdoptedRecord {
  /** In the machine's own namespace. */
  readonly name: string;
  readonly mtu: number;
  readonly macaddress: string;
  readonly state: string;
  readonly master: string;
  /**
   * Lines of ip(8), without the program's name, that bring its addresses, routes and neighbours back. Of one that is not
   * exact only those that the kernel drops by what the file wants.
   */
  readonly lines: readonly string[];
  /** The settings that the file gives it: `mtu`, `macaddress`. */
  readonly given?: readonly string[];
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
  makeFolder(RECORD_FOLDER);
  const status = lstatSync(RECORD_FOLDER);
  if (!status.isDirectory()) throw notAFolder(RECORD_FOLDER);
  if (status.uid !== process.getuid?.() || (status.mode & 0o077) !== 0) {
    throw new TopoweaveError('record-folder', `${RECORD_FOLDER} can be written by others`, {
      hint: `look at it and remove it: rm -r ${RECORD_FOLDER}`,
    });
  }
  return RECORD_FOLDER;
}

/** Makes a folder that is root's alone; where something else has its name, the caller looks at it. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (!['EEXIST', 'ENOTDIR', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

export function notAFolder(path: string): TopoweaveError {
  return new TopoweaveError('record-folder', `${path} is not a folder`, {
    hint: `look at it and remove it: rm ${path}`,
  });
}

/**
 * The record of a lab, or what is left of a damaged one, which is noted.
 *
 * @throws TopoweaveError for one that a newer topoweave wrote, or that the machine does not let us read.
 */
export function readRecord(lab: string): LabRecord {
  const { record, problem, lost } = inspectRecord(lab);
  if (problem === undefined) return record;
  const path = recordPath(lab);
  noteDamage({ path, problem, lost: lostWords(lost) });
  return { ...record, damage: record.damage ?? { kept: path, lost, sysctls: [] } };
}

/** The same for a list of labs, or of a lab that is not at work: what cannot be read is noted, too. */
export function peekRecord(lab: string): LabRecord {
  try {
    return readRecord(lab);
  } catch (error) {
    if (!(error instanceof TopoweaveError)) throw error;
    noteDamage({ path: recordPath(lab), problem: error.message, isForeign: true });
    return emptyRecord(lab);
  }
}

/** What is in the file, and what is wrong with it. */
export function inspectRecord(lab: string): ShapedRecord {
  const path = recordPath(lab);
  const found = readStateFile(path);
  if (found === undefined) return { record: emptyRecord(lab), problem: undefined, lost: [] };
  return 'problem' in found ? nothingOf(lab, found.problem) : shapeRecord(found.text, lab, path);
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
  // Without a colon, which keys and records of services have: nothing else can look like it.
  const temporary = join(dirname(path), `${basename(path).replaceAll(':', '.')}.${process.pid}.new`);
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
    // On a full device it would be in the way of the next try; what failed first is what counts.
    try {
      unlinkSync(temporary);
    } catch {}
    throw error;
  } finally {
    closeSync(file);
  }
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

export function recordPath(lab: string): string {
  return join(RECORD_FOLDER, `${lab}.json`);
}
