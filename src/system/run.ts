import { UnavailableError } from '../lib/errors.ts';
import { isSystemFault } from '../lib/system-error.ts';

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** Milliseconds. */
  readonly timeout?: number;
}

/**
 * The seam to the machine: starts one program and waits for it. It is in a session of its own, which neither Ctrl-C nor
 * the end of the terminal reaches: a program that these ended would look like one that failed. Arguments are an array, never a shell line; an exit
 * code other than 0 is data, not an exception.
 *
 * @throws UnavailableError when the program is not installed; the system's error when it cannot be started.
 */
export type Run = (argv: readonly string[], options?: RunOptions) => Promise<RunResult>;

/** Programs started so far by this process: the budget that the tests and the benchmark count. */
export let processesStarted = 0;

export const run: Run = async ([program = '', ...args], options = {}) => {
  const { execa } = await import('execa');
  processesStarted += 1;
  const result = await execa(program, args, {
    reject: false,
    stripFinalNewline: false,
    env: { LC_ALL: 'C', PATH: searchPath() },
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
    detached: true,
  });
  if (result.code === 'ENOENT') throw missingProgram(program);
  // It never ran (no process more could be made, say): that must not look like its own answer.
  if (result.exitCode === undefined && isSystemFault(result.cause)) throw result.cause;
  return {
    code: result.exitCode ?? 1,
    stdout: String(result.stdout ?? ''),
    stderr: String(result.stderr ?? ''),
  };
};

/** Netlink messages sent so far by this process. */
export let messagesSent = 0;

export function countMessages(count: number): void {
  messagesSent += count;
}

export function resetProcesses(): void {
  processesStarted = 0;
}

/** For processes that a child starts on our behalf, so that the budget counts them too. */
export function countProcesses(count: number): void {
  processesStarted += count;
}

/** The caller's PATH and the system folders, which an ordinary user's PATH on Debian leaves out. */
export function searchPath(): string {
  const folders = (process.env['PATH'] ?? '').split(':').filter((folder) => folder !== '');
  for (const folder of ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin']) {
    if (!folders.includes(folder)) folders.push(folder);
  }
  return folders.join(':');
}

/** Debian's package for each program that topoweave starts. */
export const packages: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  bridge: 'iproute2',
  tc: 'iproute2',
  nft: 'nftables',
  iptables: 'iptables',
  ip6tables: 'iptables',
  'iptables-save': 'iptables',
  'ip6tables-save': 'iptables',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  flock: 'util-linux',
  ping: 'iputils-ping',
  'ovs-vsctl': 'openvswitch-switch',
  'ovs-dpctl': 'openvswitch-switch',
  wg: 'wireguard-tools',
  busybox: 'busybox',
  dnsmasq: 'dnsmasq-base',
  zebra: 'frr',
  ospfd: 'frr',
  bgpd: 'frr',
  isisd: 'frr',
  staticd: 'frr',
};

/** The error for a program that is not there, naming Debian's package. */
export function missingProgram(program: string): UnavailableError {
  const provider = packages[program];
  return new UnavailableError(
    'missing-program',
    `the program '${program}' is not installed`,
    provider === undefined ? undefined : `install it with: apt-get install ${provider}`,
  );
}
