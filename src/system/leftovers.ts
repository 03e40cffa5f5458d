import { lstatSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TopoweaveError } from '../lib/errors.ts';
import { errnoOf, messageOf } from '../lib/system-error.ts';
import { inheritedLock } from './lock.ts';
import { processOf } from './processes.ts';
import { recordFolder } from './record.ts';

const FOLDER = '/run/topoweave';
/** What the folders of programs are called where /run is full. */
const ELSEWHERE = 'topoweave-';
/** Where a file below /etc/netns is before it has its name. */
const ETC_UNFINISHED = '/etc/netns/.topoweave.new';
/** Milliseconds after which nobody reads any more, in a PID namespace that cannot be looked into. */
const LONG_AGO = 3_600_000;

/** What the answer of one job takes at most, for the many that have a few links. */
const BYTES_PER_JOB = 16 * 1024;
const BYTES_AT_LEAST = 1024 * 1024;
const FILES_PER_JOB = 5;

/** Errors that another device may not have. */
const elsewhere: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO']);

/**
 * A folder for the input and output of programs: below /run, or where nothing can be written there, in the folder for
 * temporary files. A full /run must not be in the way of a removal, which is what frees it. Whoever has the lock is alone,
 * so one that is left is known by that; those who only read may be many, and each says in the name who it is, as all do
 * in the folder that others use, too.
 */
export function makeJobsFolder(jobs: number): string {
  const failures: string[] = [];
  const isAlone = inheritedLock().length > 0;
  const own = `reads-${ownIdentity()}-`;
  const places = [
    [recordFolder(), isAlone ? 'jobs-' : own],
    [tmpdir(), `${ELSEWHERE}${own}`],
  ] as const;
  for (const [folder, name] of places) {
    try {
      const obstacle = shortage(folder, jobs);
      if (obstacle === undefined) return mkdtempSync(join(folder, name));
      failures.push(obstacle);
    } catch (error) {
      if (!elsewhere.has(errnoOf(error) ?? '')) throw error;
      failures.push(`${folder}: ${messageOf(error)}`);
    }
  }
  throw new TopoweaveError(
    'no-space',
    `there is no room for the answers of programs: ${failures.join('; ')}`,
    { hint: 'free some space there (df -h /run /tmp; df -i /run /tmp), then run the command again' },
  );
}

/** Seen ahead: what a program prints into a full file is cut off without a word. */
function shortage(folder: string, jobs: number): string | undefined {
  const { bavail, bsize, ffree, files, blocks } = statfsSync(folder);
  const bytes = Math.max(BYTES_AT_LEAST, jobs * BYTES_PER_JOB);
  // A file system without a limit shows zeros.
  if (blocks > 0 && bavail * bsize < bytes) return `${folder} has only ${bavail * bsize} bytes left`;
  if (files > 0 && ffree < jobs * FILES_PER_JOB + 1) return `${folder} has only ${ffree} files left`;
  return undefined;
}

function ownIdentity(): string {
  const own = processOf(process.pid);
  return own === undefined ? '' : `${namespaceNumber(own.pidNamespace)}-${own.pid}-${own.start}`;
}

/** `pid:[4026531836]`. */
function namespaceNumber(link: string): string {
  return link.replace(/\D/g, '');
}

/**
 * Clears away what killed runs left: files that had not got their name yet, and the folders of their programs. The lock is
 * held, and children of a killed run hold it as long as they run: so nobody is at work but those who only read.
 */
export function clearLeftovers(): void {
  for (const name of namesIn(FOLDER)) {
    const path = join(FOLDER, name);
    // `explain` has a lock of its own, and clears its own file.
    if (isUnfinished(name) && !name.startsWith('explain.tables.')) remove(path);
    else if (/^jobs-/.test(name) || (/^reads-/.test(name) && isOver(name, path)))
      rmSync(path, { recursive: true, force: true });
    else if (/\.(services|keys)$/.test(name))
      for (const inner of namesIn(path)) if (isUnfinished(inner)) remove(join(path, inner));
  }
  remove(ETC_UNFINISHED);
  clearElsewhere();
}

/** Of the folder that everybody may write to, only what is root's. */
function clearElsewhere(): void {
  for (const name of namesIn(tmpdir())) {
    if (!name.startsWith(`${ELSEWHERE}reads-`)) continue;
    const path = join(tmpdir(), name);
    const status = lstatSync(path, { throwIfNoEntry: false });
    if (
      status?.isDirectory() &&
      status.uid === process.getuid?.() &&
      isOver(name.slice(ELSEWHERE.length), path)
    )
      rmSync(path, { recursive: true, force: true });
  }
}

/** As writePrivateFile calls them: no key or record of a service is without a colon. */
export function isUnfinished(name: string): boolean {
  return /^[^:]+\.\d+\.new$/.test(name);
}

function isOver(name: string, path: string): boolean {
  const [, namespace, pid, start] = /^reads-(\d+)-(\d+)-(\d+)-/.exec(name) ?? [];
  const here = processOf(process.pid);
  if (here !== undefined && namespace === namespaceNumber(here.pidNamespace))
    return processOf(Number(pid))?.start !== start;
  const changed = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return changed !== undefined && Date.now() - changed > LONG_AGO;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Nothing there: as it should be.
  }
}
