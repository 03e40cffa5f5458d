import { mkdtempSync, readdirSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { inheritedLock } from './lock.ts';
import { processOf } from './processes.ts';
import { recordFolder } from './record.ts';

const FOLDER = '/run/topoweave';
/** Where a file below /etc/netns is before it has its name. */
const ETC_UNFINISHED = '/etc/netns/.topoweave.new';
/** Milliseconds after which nobody reads any more, in a PID namespace that cannot be looked into. */
const LONG_AGO = 3_600_000;

/**
 * A folder for the input and output of programs. Whoever has the lock is alone, so one that is left is known by that; those
 * who only read may be many, and each says in the name who it is.
 */
export function makeJobsFolder(): string {
  const isAlone = inheritedLock().length > 0;
  return mkdtempSync(join(recordFolder(), isAlone ? 'jobs-' : `reads-${ownIdentity()}-`));
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
