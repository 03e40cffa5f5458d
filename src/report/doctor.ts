import type { Examination, Finding } from '../system/examine.ts';
import type { Paint, Style } from './style.ts';
import { visibleIn } from './visible.ts';

const colors: Readonly<Record<Finding['state'], Style>> = {
  present: 'green',
  missing: 'red',
  limited: 'yellow',
  unknown: 'yellow',
};

/** One line per finding, in groups, and what is lacking. */
export function formatExamination(examination: Examination, paint: Paint): string {
  const { tools, privileges, kernel, engines, ovs, filters } = visibleIn(examination);
  const all = [...tools, ...privileges, ...kernel, ...engines, ...ovs, ...filters];
  const width = Math.max(...all.map(({ name }) => name.length));
  const group = (title: string, findings: readonly Finding[]): string =>
    `${paint('bold', title)}\n${findings.map((finding) => formatFinding(finding, width, paint)).join('')}`;
  const groups = [
    group('tools', tools),
    group('privileges', privileges),
    group('kernel', kernel),
    group('engines', engines),
    group('Open vSwitch', ovs),
    group('packet filters of others', filters),
  ];
  return `${groups.join('\n')}\n${verdict(examination, paint)}\n`;
}

export function examinationJson(examination: Examination): object {
  return { schemaVersion: 1, ok: lacking(examination).length === 0, ...examination };
}

/** What is required and not there. */
export function lacking({ tools, privileges, kernel }: Examination): Finding[] {
  return [...tools, ...privileges, ...kernel].filter(
    ({ state, required }) => required && state !== 'present',
  );
}

function formatFinding({ name, state, detail, help }: Finding, width: number, paint: Paint): string {
  const explanation = [detail, help ?? ''].filter((text) => text !== '').join('; ');
  return `  ${name.padEnd(width)}  ${paint(colors[state], state.padEnd(7))}  ${explanation}`
    .trimEnd()
    .concat('\n');
}

function verdict(examination: Examination, paint: Paint): string {
  const names = lacking(examination).map(({ name }) => name);
  if (names.length > 0) return paint('red', `topoweave cannot work here yet: it lacks ${names.join(', ')}`);
  const optional = examination.kernel.filter(({ state }) => state !== 'present').map(({ name }) => name);
  return optional.length === 0
    ? paint('green', 'topoweave can do everything here')
    : `topoweave works here, without ${optional.join(', ')}`;
}
