import { readFileSync } from 'node:fs';

/** Users and groups of this machine, as far as they are in its own files. */
const files = { user: '/etc/passwd', group: '/etc/group' } as const;
export type AccountKind = keyof typeof files;

interface Accounts {
  readonly ids: ReadonlyMap<string, number>;
  readonly names: ReadonlyMap<number, string>;
}

const known = new Map<AccountKind, Accounts>();

/** The number of a name or of a number's text; undefined for a name that the machine does not have. */
export function accountId(kind: AccountKind, text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : accounts(kind).ids.get(text);
}

/** The name of a number, or the number where there is none, as `ip` prints it. */
export function accountName(kind: AccountKind, id: number): string | number {
  return accounts(kind).names.get(id) ?? id;
}

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** A user of the machine's own file, by name or number. */
export function findUser(text: string): Account | undefined {
  for (const line of readFileSync(files.user, 'utf8').split('\n')) {
    const [name = '', , uid = '', gid = '', , home = ''] = line.split(':');
    if (name !== '' && (name === text || uid === text) && /^\d+$/.test(uid) && /^\d+$/.test(gid))
      return { name, uid: Number(uid), gid: Number(gid), home: home || '/' };
  }
  return undefined;
}

function accounts(kind: AccountKind): Accounts {
  const found = known.get(kind) ?? readAccounts(files[kind]);
  known.set(kind, found);
  return found;
}

function readAccounts(path: string): Accounts {
  const ids = new Map<string, number>();
  const names = new Map<number, string>();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [name = '', , id = ''] = line.split(':');
    if (name === '' || !/^\d+$/.test(id)) continue;
    // Of several with one name or one number, the first one counts.
    if (!ids.has(name)) ids.set(name, Number(id));
    if (!names.has(Number(id))) names.set(Number(id), name);
  }
  return { ids, names };
}
