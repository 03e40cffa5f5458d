import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FuzzReport } from './fuzz/fuzz.ts';
import type { Finding } from './judge.ts';
import type { Part } from './options.ts';
import type { Report } from './rounds.ts';

/** Which engine did what to which lab. */
export interface Lane {
  readonly engine: string;
  readonly part: Part;
  readonly lab: string;
}

interface Found extends Finding, Lane {
  readonly seed: number;
  readonly story: readonly string[];
}

export interface Tally {
  readonly findings: Found[];
  /** Rounds, or inputs, by engine and part. */
  readonly rounds: Map<string, number>;
  /** What was done, by its name. */
  readonly deeds: Map<string, number>;
  readonly add: (lane: Lane, report: Report) => void;
  readonly addFuzz: (lane: Lane, report: FuzzReport) => void;
  /** The attack itself has failed: what was not tried must not look like success. */
  readonly addBroken: (lane: Lane, seed: number, text: string) => void;
}

export function emptyTally(): Tally {
  const tally = {
    findings: [] as Found[],
    rounds: new Map<string, number>(),
    deeds: new Map<string, number>(),
  };
  return {
    ...tally,
    add: (lane, { seed, findings, story, counts }) => {
      increase(tally.rounds, `${lane.part} ${lane.engine}`, 1);
      for (const [deed, count] of Object.entries(counts))
        increase(tally.deeds, `${lane.part}: ${deed}`, count);
      tally.findings.push(...findings.map((finding) => ({ ...finding, ...lane, seed, story })));
    },
    addBroken: (lane, seed, text) => {
      increase(tally.rounds, 'broken', 1);
      tally.findings.push({ wrong: 'attack broken', text, ...lane, seed, story: [] });
    },
    addFuzz: (lane, { counts, findings }) => {
      for (const [fuzzer, count] of Object.entries(counts)) {
        if (!fuzzer.endsWith(', valid')) increase(tally.rounds, 'fuzz', count);
        increase(tally.deeds, `fuzz: ${fuzzer}`, count);
      }
      tally.findings.push(...findings.map((finding) => ({ ...finding, ...lane, story: [finding.input] })));
    },
  };
}

function increase(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

interface About {
  readonly minutes: number;
  readonly seed: number;
}

/** The summary; its last line is `N passed, N failed`, in rounds and inputs. */
export function printTally(print: (text: string) => void, tally: Tally, about: About): void {
  const failed = new Set(tally.findings.map(({ part, engine, seed }) => `${part} ${engine} ${seed}`)).size;
  const total = sum(tally.rounds);
  for (const alike of groups(tally.findings)) {
    const [first] = alike;
    if (first === undefined) continue;
    print(`\n${alike.length} x ${first.wrong}: ${first.text}\n  again: ${againLine(first, first.seed)}\n`);
    for (const line of first.story) print(`    ${line}\n`);
  }
  print(`\n${table(tally, about).join('\n')}\n\n${total - failed} passed, ${failed} failed\n`);
}

/** How a finding is made again. */
export function againLine({ engine, part, lab }: Lane, seed: number): string {
  const where = part === 'fuzz' ? '' : ` --lab ${lab}`;
  return `npm run test:long -- --only ${part} --engine ${engine}${where} --seed ${seed} --rounds 1`;
}

/** Findings of one kind together, the commonest first: names, numbers and the lab's own words do not tell kinds apart. */
function groups(findings: readonly Found[]): Found[][] {
  const found = new Map<string, Found[]>();
  for (const finding of findings) {
    const [first = '', ...others] = finding.text.split('\n');
    const error =
      others.find((line) => /error: |bug: /.test(line)) ?? others.find((line) => line.trim() !== '-') ?? '';
    const text = `${first.replace(/\S+\.yaml/g, 'FILE')} ${error}`.replace(/jobs-\w+|\d+/g, 'N');
    const key = `${finding.wrong} ${text.replaceAll(finding.lab === '' ? '\0' : finding.lab, 'LAB')}`;
    found.set(key, [...(found.get(key) ?? []), finding]);
  }
  return [...found.values()].sort((a, b) => b.length - a.length);
}

function table(tally: Tally, { minutes, seed }: About): string[] {
  const found = new Map<string, number>();
  for (const { wrong } of tally.findings) increase(found, wrong, 1);
  const kinds = [
    'not converged',
    'not given back',
    'left behind',
    'stack trace',
    'exit code',
    'hangs',
    'slow',
  ];
  const row = (what: string, count: number) => `| ${what} | ${count} |`;
  const rows = (counts: ReadonlyMap<string, number>) =>
    [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, count]) => row(what, count));
  return [
    `Seed ${seed}, ${minutes.toFixed(0)} minutes.`,
    '',
    '| Rounds, or inputs | |',
    '|---|---|',
    ...rows(tally.rounds),
    '',
    '| What was done | |',
    '|---|---|',
    ...rows(tally.deeds),
    '',
    '| What was found | |',
    '|---|---|',
    ...kinds.map((kind) => row(kind, found.get(kind) ?? 0)),
  ];
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

/** Puts the tables between the two comments in docs/reliability.md. */
export function writeTally(root: string, tally: Tally, about: About): void {
  const path = join(root, 'docs/reliability.md');
  const text = readFileSync(path, 'utf8');
  const [begin, end] = ['<!-- counts -->', '<!-- end of counts -->'];
  const [head, tail] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
  writeFileSync(path, `${text.slice(0, head)}\n${table(tally, about).join('\n')}\n${text.slice(tail)}`);
}
