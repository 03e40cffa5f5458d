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
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { TopoweaveError } from '../lib/errors.ts';

/**
 * What the kernel cannot carry, kept under /run so that it goes with the kernel's own state at a reboot. Losing it is
 * survivable: then a changed sysctl of the host keeps its value, and an unmarked leftover is taken as foreign.
 */
export interface LabRecord {
  readonly version: 1;
  readonly lab: string;
  /** The absolute path of the file that was applied last. */
  readonly file?: string;
  /** Namespaces about to be made: theirs is the time between `netns add` and the mark. */
  readonly claims: readonly string[];
  /** Values from before the lab changed them: namespace → sysctl → value. */
  readonly sysctls: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Identities of addresses and routes on objects of the host that carry no mark. */
  readonly hostObjects: readonly string[];
  /** The lab has bridges or ports in the database of Open vSwitch, which must answer for them to be seen. */
  readonly ovs?: boolean;
}

const FOLDER = '/run/topoweave';

export function emptyRecord(lab: string): LabRecord {
  return { version: 1, lab, claims: [], sysctls: {}, hostObjects: [] };
}

/** Makes the folder, root-only, and refuses one that somebody else could write. */
export function recordFolder(): string {
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
  const status = statSync(FOLDER);
  if (status.uid !== process.getuid?.() || (status.mode & 0o077) !== 0) {
    throw new TopoweaveError('record-folder', `${FOLDER} can be written by others`, {
      hint: `look at it and remove it: rm -r ${FOLDER}`,
    });
  }
  return FOLDER;
}

export function readRecord(lab: string): LabRecord {
  let text: string;
  try {
    const file = openSync(recordPath(lab), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      text = readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  } catch {
    return emptyRecord(lab);
  }
  try {
    // A border: the file is ours, but may be from a killed run or another version.
    const value = JSON.parse(text) as Partial<LabRecord>;
    if (value.version !== 1 || value.lab !== lab) return emptyRecord(lab);
    return { ...emptyRecord(lab), ...value };
  } catch {
    return emptyRecord(lab);
  }
}

/** Writes atomically: a new file, synced, then renamed over the old one. A symbolic link is never followed. */
export function writeRecord(record: LabRecord): void {
  recordFolder();
  const temporary = `${recordPath(record.lab)}.${process.pid}.new`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    unlinkSync(temporary);
  } catch {
    // Nothing there: as it should be.
  }
  const file = openSync(temporary, flags, 0o600);
  try {
    writeSync(file, `${JSON.stringify(record, null, 1)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, recordPath(record.lab));
}

export function removeRecord(lab: string): void {
  try {
    unlinkSync(recordPath(lab));
  } catch {
    // Nothing there: as it should be.
  }
}

/** The labs that have a record, by name. */
export function recordedLabs(): string[] {
  try {
    return readdirSync(FOLDER)
      .filter((name) => /^[a-z][a-z0-9-]*\.json$/.test(name))
      .map((name) => name.slice(0, -'.json'.length))
      .sort();
  } catch {
    return [];
  }
}

function recordPath(lab: string): string {
  return join(FOLDER, `${lab}.json`);
}
