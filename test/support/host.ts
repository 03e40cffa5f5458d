import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../src/cli/run.ts';
import { disciplineNeeds } from '../../src/kinds/discipline-needs.ts';
import { kernelFeatures, linesToTry } from '../../src/kinds/interface.ts';
import '../../src/kinds/registry.ts';

/**
 * Tests of the kernel tiers run in a process that is itself in a throw-away host (scripts/test.sh), so the command line
 * is called in this process and `ip` sees the same host.
 */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The way to the kernel that this run of the tests is about. */
export const engineName = process.env['TOPOWEAVE_ENGINE'] ?? 'netlink';

export async function topoweave(...argv: string[]): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  const code = await main(argv, {
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    env: { CI: '1', TOPOWEAVE_COUNT: '1', TOPOWEAVE_ENGINE: engineName },
    cwd: process.cwd(),
    stdoutIsTty: false,
    stderrIsTty: false,
    columns: 100,
  });
  return { code, stdout, stderr };
}

/** The same, and the test fails with everything that was printed when the exit code is another. */
export async function expectCode(code: number, ...argv: string[]): Promise<Outcome> {
  const outcome = await topoweave(...argv);
  if (outcome.code !== code) {
    throw new Error(
      `topoweave ${argv.join(' ')}: exit ${outcome.code}, not ${code}\n${outcome.stdout}\n${outcome.stderr}`,
    );
  }
  return outcome;
}

/** Whether nobody has topoweave's lock, nor what a killed one has started. */
export function lockIsFree(): boolean {
  const path = '/run/topoweave/lock';
  return !existsSync(path) || spawnSync('flock', ['--nonblock', path, 'true']).status === 0;
}

/** Starts a program of the throw-away host and gives what it printed. */
export function sh(program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  });
}

/** `ip` in a namespace; `host` is the throw-away host. */
export function ip(namespace: string, ...args: string[]): string {
  return namespace === 'host' ? sh('ip', ...args) : sh('ip', '-n', namespace, ...args);
}

/**
 * Pings once, and again for at most ten seconds: the outer address of a tunnel may still be under duplicate address
 * detection, and ping ends with the first error.
 */
export function expectReachable(from: string, to: string): void {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      sh('ip', 'netns', 'exec', from, 'ping', '-q', '-c1', '-W5', to);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

export function ifindex(namespace: string, name: string): number {
  const [link] = JSON.parse(ip(namespace, '-j', 'link', 'show', 'dev', name)) as { ifindex: number }[];
  if (link === undefined) throw new Error(`no ${name} in ${namespace}`);
  return link.ifindex;
}

export function namespaces(): string[] {
  try {
    return readdirSync('/run/netns').sort();
  } catch {
    return [];
  }
}

/** Waits, at most 10 s, until duplicate address detection has ended everywhere: a busy machine takes its time. */
export function addressesSettle(spaces: readonly string[]): void {
  for (let left = 50; left > 0; left--) {
    if (spaces.every((namespace) => ip(namespace, '-6', 'address', 'show', 'tentative').trim() === ''))
      return;
    sh('sleep', '0.2');
  }
}

/** Everything that a lab could leave behind, of the host and of every namespace, as one text. */
export function dump(): string {
  const parts: string[] = [];
  const spaces = ['host', ...namespaces()];
  addressesSettle(spaces);
  for (const namespace of spaces) {
    parts.push(`== ${namespace}`);
    for (const args of [
      ['link'],
      ['addr'],
      ['route', 'show', 'table', 'all'],
      ['-6', 'route', 'show', 'table', 'all'],
      ['rule'],
    ]) {
      parts.push(ip(namespace, '-j', '-d', ...args));
    }
    const enter = namespace === 'host' ? [] : ['nsenter', `--net=/run/netns/${namespace}`, '--'];
    const [program = '', ...rest] = [...enter, 'nft', 'list', 'ruleset'];
    parts.push(sh(program, ...rest));
    const sysctls = ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding', 'net.ipv4.conf.all.rp_filter'];
    const [reader = '', ...words] = [
      ...enter,
      'cat',
      ...sysctls.map((name) => `/proc/sys/${name.replaceAll('.', '/')}`),
    ];
    parts.push(sh(reader, ...words));
  }
  // Timers of bridges run on by themselves.
  return parts.join('\n').replace(/"(\w+_timer)":[0-9.]+/g, '"$1":0');
}

/** A folder for the files of one test. */
export function workFolder(): {
  path: string;
  write: (name: string, text: string) => string;
  remove: () => void;
} {
  const folder = mkdtempSync(join(tmpdir(), 'topoweave-test-'));
  return {
    path: folder,
    write: (name, text) => {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The kinds of links, and their features, that the running kernel has, tried in a throw-away namespace. */
export function kernelHas(name: string): boolean {
  const discipline = disciplineNeeds.get(name);
  if (discipline !== undefined) {
    const input = discipline.lines.map((line) => `${line}\n`).join('');
    return spawnSync('unshare', ['--net', 'tc', '-batch', '-'], { input }).status === 0;
  }
  const feature = kernelFeatures.find((other) => other.name === name);
  const lines =
    feature === undefined
      ? linesToTry(name)
      : [['link add name probe0 type', feature.kind, ...feature.words].join(' ')];
  try {
    execFileSync('unshare', ['--net', 'ip', '-batch', '-'], {
      input: lines.map((line) => `${line}\n`).join(''),
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    return true;
  } catch {
    return false;
  }
}
