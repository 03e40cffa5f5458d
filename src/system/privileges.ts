import { readFileSync } from 'node:fs';

/** What this process may do, and what the machine lets an ordinary user do. */
export interface Privileges {
  readonly uid: number;
  readonly netAdmin: boolean;
  readonly sysAdmin: boolean;
  /** The switches that forbid unprivileged user namespaces on this machine, as `sysctl` prints them. */
  readonly userNamespacesOff: readonly string[];
}

export interface Switch {
  readonly name: string;
  readonly off: string;
  readonly on: string;
}

/** Each of these can forbid unprivileged user namespaces; the second is Debian's, the third Ubuntu's. */
export const userNamespaceSwitches: readonly Switch[] = [
  { name: 'user.max_user_namespaces', off: '0', on: '15000' },
  { name: 'kernel.unprivileged_userns_clone', off: '0', on: '1' },
  { name: 'kernel.apparmor_restrict_unprivileged_userns', off: '1', on: '0' },
];

const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;

export function readPrivileges(): Privileges {
  const effective = effectiveCapabilities(readFileSync('/proc/self/status', 'utf8'));
  return {
    uid: process.geteuid?.() ?? -1,
    netAdmin: hasCapability(effective, CAP_NET_ADMIN),
    sysAdmin: hasCapability(effective, CAP_SYS_ADMIN),
    userNamespacesOff: switchesOff(readSysctl),
  };
}

/** Root in name only, as in an unprivileged container, needs a user namespace like everyone else. */
export function isPrivileged({ uid, netAdmin, sysAdmin }: Privileges): boolean {
  return uid === 0 && netAdmin && sysAdmin;
}

/** Those that every change of a namespace takes and that this process does not have, by their names. */
export function missingCapabilities(): string[] {
  const effective = effectiveCapabilities(readFileSync('/proc/self/status', 'utf8'));
  const needed = [
    ['CAP_NET_ADMIN', CAP_NET_ADMIN],
    ['CAP_SYS_ADMIN', CAP_SYS_ADMIN],
  ] as const;
  return needed.flatMap(([name, bit]) => (hasCapability(effective, bit) ? [] : [name]));
}

export function effectiveCapabilities(status: string): bigint {
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return digits === undefined ? 0n : BigInt(`0x${digits}`);
}

export function switchesOff(read: (name: string) => string | undefined): string[] {
  return userNamespaceSwitches
    .filter(({ name, off }) => read(name) === off)
    .map(({ name, off }) => `${name}=${off}`);
}

function hasCapability(capabilities: bigint, bit: bigint): boolean {
  return ((capabilities >> bit) & 1n) === 1n;
}

function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim();
  } catch {
    // A kernel without the switch has no file for it.
    return undefined;
  }
}
