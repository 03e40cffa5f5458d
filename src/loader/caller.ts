import { readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Who runs us by sudo(8) or pkexec(1): a file that only root may read is not theirs to see. */
export interface Caller {
  readonly uid: number;
  readonly groups: ReadonlySet<number>;
}

/** undefined: root itself, or no root at all, who can open no more than they may read. */
export function callerOf(env: Readonly<Record<string, string | undefined>>): Caller | undefined {
  if (process.geteuid?.() !== 0) return undefined;
  const { SUDO_UID, SUDO_GID, SUDO_USER, PKEXEC_UID } = env;
  const uid = numberOf(SUDO_UID) ?? numberOf(PKEXEC_UID);
  if (uid === undefined || uid === 0) return undefined;
  const gid = numberOf(SUDO_GID);
  const groups = new Set(SUDO_USER === undefined ? [] : groupsOf(SUDO_USER));
  if (gid !== undefined) groups.add(gid);
  return { uid, groups };
}

/** Whether the mode bits of a file, and of each folder above it, let somebody read it; `path` has no links. */
export function mayRead(caller: Caller, path: string, status: Stats): boolean {
  if (!allows(caller, status, 4)) return false;
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    try {
      if (!allows(caller, statSync(folder), 1)) return false;
    } catch {
      return false;
    }
    if (folder === '/') return true;
  }
}

/**
 * Whether a file lies below the folder of the one that includes it, with all links followed. In a folder that anybody
 * may write to, such as /tmp, everybody's files lie side by side, and that says nothing.
 */
export function isBelow(path: string, root: string): boolean {
  try {
    const folder = dirname(realpathSync(root));
    return folder !== '/' && path.startsWith(`${folder}/`) && (statSync(folder).mode & 0o002) === 0;
  } catch {
    return false;
  }
}

function allows({ uid, groups }: Caller, status: Stats, bit: 1 | 4): boolean {
  const { mode } = status;
  if (status.uid === uid) return ((mode >> 6) & bit) !== 0;
  if (groups.has(status.gid)) return ((mode >> 3) & bit) !== 0;
  return (mode & bit) !== 0;
}

function groupsOf(user: string): number[] {
  try {
    return readFileSync('/etc/group', 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, , gid, members = ''] = line.split(':');
        return members.split(',').includes(user) ? [numberOf(gid) ?? -1] : [];
      });
  } catch {
    return [];
  }
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,10}$/.test(text) ? Number(text) : undefined;
}
