import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Outcome, Place } from './command.ts';
import { otherProcesses } from './processes.ts';

/** What an attack may show to be wrong. */
export type Wrong =
  | 'not converged'
  | 'not given back'
  | 'left behind'
  | 'stack trace'
  | 'exit code'
  | 'hangs'
  | 'slow'
  | 'attack broken';

export interface Finding {
  readonly wrong: Wrong;
  readonly text: string;
}

/** The host as it can be compared: by what it is about, a text. */
export type Host = ReadonlyMap<string, string>;

/** Everything of the host that a lab could change or leave behind. */
export function readHost({ folder }: Place): Host {
  const parts = new Map<string, string>();
  for (const [what, argv] of Object.entries(questions)) {
    const [program = '', ...args] = argv;
    const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', input: batches[what] ?? '' });
    parts.set(what, tidy(`${stdout}${stderr}`));
  }
  parts.set('sysctls', sysctls('/proc/sys/net').join('\n'));
  parts.set('files', [...files('/run'), ...files('/etc/netns'), ...files(join(folder, 'tmp'))].join('\n'));
  parts.set(
    'processes',
    otherProcesses()
      .map(({ words }) => words)
      .join('\n'),
  );
  return parts;
}

const questions: Readonly<Record<string, readonly string[]>> = {
  network: ['ip', '-d', '-force', '-batch', '-'],
  'network of IPv6': ['ip', '-6', '-d', '-force', '-batch', '-'],
  outside: ['ip', '-netns', 'outside', '-d', 'address'],
  disciplines: ['tc', 'qdisc'],
  nft: ['nft', 'list', 'ruleset'],
};

const batches: Readonly<Record<string, string>> = {
  network: 'link\naddress\nroute show table all\nrule\nnexthop\nneighbor show nud permanent\n',
  'network of IPv6': 'route show table all\nrule\n',
};

/** Timers and counters run on by themselves; neighbours are learned. */
function tidy(text: string): string {
  return text
    .replace(/\b(\w+_timer|valid_lft|preferred_lft) +\S+/g, '')
    .replace(/\bexpires \S+/g, '')
    .replace(/\bstate (UP|DOWN|UNKNOWN|LOWERLAYERDOWN)\b/g, '')
    .replace(/,?(LOWER_UP|NO-CARRIER),?/g, '');
}

/** Their values change by themselves, or reading them does something. */
const restless = /\/(flush|nf_conntrack_count|tcp_fastopen_key|fib_multipath_hash_seed|mtu_expires)$/;

function sysctls(folder: string): string[] {
  return entries(folder).flatMap(({ path, isFolder }) => {
    if (isFolder) return sysctls(path);
    if (restless.test(path)) return [];
    return [`${path} = ${readText(path)}`];
  });
}

function readText(path: string): string {
  try {
    const fd = openSync(path, 'r');
    try {
      return readFileSync(fd, 'utf8').trim();
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
}

function entries(folder: string): { readonly path: string; readonly isFolder: boolean }[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .map((entry) => ({ path: join(folder, entry.name), isFolder: entry.isDirectory() }))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  } catch {
    return [];
  }
}

/** What stays by design: the folder of the records, and its locks. Overlay's own is no file of ours. */
const staying = /^\/run\/(topoweave(\/(explain\.)?lock)?|\.etc|mount|lock|netns)$/;

function files(folder: string): string[] {
  return entries(folder).flatMap(({ path, isFolder }) => {
    if (path === '/run/.etc') return [];
    const own = staying.test(path) ? [] : [path];
    return isFolder ? [...own, ...files(path)] : own;
  });
}

/** Waits until the host is as it was: the kernel takes namespaces apart later, and has its own timers. */
export async function compareHost(place: Place, before: Host): Promise<readonly Finding[]> {
  let found: readonly Finding[] = [];
  for (let left = 40; left > 0; left -= 1) {
    found = differences(before, readHost(place));
    if (found.length === 0) return found;
    await setTimeout(150);
  }
  return found;
}

/** What is not in one as in the other. */
export function differences(before: Host, after: Host): Finding[] {
  return [...after].flatMap(([what, text]) => {
    const old = before.get(what) ?? '';
    if (old === text) return [];
    const [was, is] = [old.split('\n'), text.split('\n')];
    const gone = was.filter((line) => !is.includes(line)).map((line) => `- ${line.trim()}`);
    const added = is.filter((line) => !was.includes(line)).map((line) => `+ ${line.trim()}`);
    const isLeft = what === 'files' || what === 'processes';
    const lines = [...gone, ...added].slice(0, 12);
    if (lines.length === 0) lines.push('(in another order)');
    return [
      { wrong: isLeft ? 'left behind' : 'not given back', text: `${what}:\n${lines.join('\n')}` } as const,
    ];
  });
}

const trace =
  /\bbug: |^\s+at .+:\d+:\d+\)?$|node:internal|Assertion|libc\+\+abi|Uncaught|FATAL ERROR|ended without an outcome/m;

/** What is wrong about any run: it must end, without a trace of our own code, with one of these codes and a word about it. */
export function judgeRun(outcome: Outcome, allowed: readonly number[]): Finding[] {
  const { argv, code, signal, stderr, stdout, isHung } = outcome;
  const line = `topoweave ${argv.join(' ')}`;
  const said = excerpt(stderr === '' ? stdout : stderr);
  if (isHung) return [{ wrong: 'hangs', text: `${line}: does not end\n${said}` }];
  const found: Finding[] = [];
  if (trace.test(stderr) || trace.test(stdout))
    found.push({ wrong: 'stack trace', text: `${line}\n${said}` });
  if (code === null) {
    found.push({ wrong: 'exit code', text: `${line}: ended by ${signal ?? 'something'}\n${said}` });
  } else if (!allowed.includes(code)) {
    found.push({ wrong: 'exit code', text: `${line}: ${code}, not ${allowed.join(' or ')}\n${said}` });
  }
  return found;
}

/** A failure without a message. */
export function judgeMessage({ argv, code, stderr }: Outcome): Finding[] {
  if (code === 0 || code === null || /error: |interrupted|stopped/i.test(stderr)) return [];
  return [
    {
      wrong: 'exit code',
      text: `topoweave ${argv.join(' ')}: ${code} without a message\n${excerpt(stderr)}`,
    },
  ];
}

function excerpt(text: string): string {
  const lines = text
    .trim()
    .split('\n')
    .filter((line) => !/^\d+ steps in|^ +\d+ steps/.test(line));
  const at = lines.findIndex((line) => /error: |bug: /.test(line));
  return lines
    .slice(Math.max(0, at), Math.max(0, at) + 14)
    .join('\n')
    .slice(0, 1500);
}
