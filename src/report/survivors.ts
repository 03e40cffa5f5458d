import { groupBy } from '../lib/collections.ts';
import type { Survivors } from '../system/survivors.ts';
import type { Paint } from './style.ts';

/** So many of one kind are named. */
const MOST = 20;

interface Told {
  readonly lab: string;
  /** Whether they were to be ended already. */
  readonly kill: boolean;
  readonly paint: Paint;
}

/** Who keeps which namespaces, and what can be done; nothing where nobody does. */
export function formatSurvivors({ processes, mounts }: Survivors, { lab, kill, paint }: Told): string {
  if (processes.length + mounts.length === 0) return '';
  const names = [...groupBy([...processes, ...mounts], ({ namespace }) => namespace).keys()].sort();
  const what = names.length === 1 ? `namespace ${names[0]} lives on` : `${names.length} namespaces live on`;
  const lines = [
    ...processes.map(({ namespace, pid, command }) => `${namespace}: process ${pid} (${command}) is in it`),
    ...mounts.map(({ namespace, path }) => `${namespace}: it is mounted on ${path}`),
  ];
  const shown = lines.slice(0, MOST).map((line) => `  ${line}\n`);
  if (lines.length > MOST) shown.push(`  and ${lines.length - MOST} more\n`);
  const helps = [
    ...(processes.length === 0 ? [] : [processHelp(lab, kill)]),
    ...(mounts.length === 0 ? [] : [`unmount what is mounted: umount ${mounts[0]?.path}`]),
  ];
  return [
    `${paint('red', 'error:')} ${what} without a name, and with the links that were between such namespaces\n`,
    ...shown,
    ...helps.map((help) => `help: ${help}\n`),
  ].join('');
}

function processHelp(lab: string, kill: boolean): string {
  if (kill) return 'they were told to end and did not; topoweave ends neither itself nor who started it';
  return `end them yourself, or with the whole lab: topoweave destroy --kill ${lab}`;
}
