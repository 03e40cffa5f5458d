import type { Value } from '../kinds/resource.ts';
import type { Place } from '../lib/diagnostic.ts';
import type { PlanWarning } from '../plan/foreign-filters.ts';
import type { Action, Conflict, Plan, Step } from '../plan/step.ts';
import { bridgeDefaults } from '../topology/bridge.ts';
import type { Paint, Style } from './style.ts';
import { visible, visibleIn } from './visible.ts';

/** Where a place is, as `file:line`; undefined without a file. */
export type Locate = (place: Place) => string;

const symbols: Readonly<Record<Action, { symbol: string; style: Style }>> = {
  create: { symbol: '+', style: 'green' },
  update: { symbol: '~', style: 'yellow' },
  replace: { symbol: '-/+', style: 'red' },
  delete: { symbol: '-', style: 'red' },
};

/** Attributes that identify or describe and would only repeat the label. */
const hidden = new Set([
  'isExact',
  'unmarked',
  'namespace',
  'altname',
  'first',
  'devs',
  'family',
  'to',
  'dev',
  'address',
  'duplicate',
  'secondaries',
  'comment',
  'rules',
  'chains',
  'name',
  'nodad',
  'before',
  'peer-dev',
  'owner',
  'selector',
  'proxy',
  'id',
  'vlan-default',
  'private-key-file',
  'preshared-key-file',
  'handle',
  'queue',
  'early',
  'mac',
  'hostname',
  'lab',
  'part',
  'objects',
  'types',
  'hook',
  'order',
  'entry',
  'content',
  'neighbors',
  'loopback',
]);

/** Defaults that a new object shows only when they differ. */
const usual: Readonly<Record<string, readonly Value[]>> = {
  state: ['up', 'running'],
  alias: [''],
  master: [''],
  mark: [],
  table: ['main', ''],
  metric: [0, 1024],
  type: ['unicast', 'lookup', 'single', 'group'],
  from: [''],
  mtu: [0],
  'advertised-mss': [0],
  'congestion-window': [0],
  'advertised-receive-window': [0],
  ...Object.fromEntries(Object.entries(bridgeDefaults).map(([name, value]) => [name, [value]])),
  tos: [0],
  options: [''],
  'missing-routes': [],
  lease: ['in place'],
  server: [''],
  'missing-rules': [],
  lifetime: ['for ever'],
  behind: [''],
  goto: [0],
  'suppress-prefix-length': [''],
  via: [''],
  'on-link': [false],
  vlan: [0],
  dev: [''],
  key: ['none'],
  remote: ['none'],
  'datapath-type': ['system'],
  'fail-mode': [''],
  rstp: [false],
  form: ['interface'],
  interface: ['present'],
  tag: [0],
  native: [0],
  lacp: ['off'],
  fwmark: [0],
  keepalive: [0],
  'preshared-key': ['none'],
  delay: ['none'],
  jitter: ['none'],
  distribution: ['uniform'],
  'delay-correlation': ['none'],
  loss: ['none'],
  'loss-correlation': ['none'],
  duplicate: ['none'],
  'duplicate-correlation': ['none'],
  corrupt: ['none'],
  'corrupt-correlation': ['none'],
  reorder: ['none'],
  'reorder-correlation': ['none'],
  gap: [0],
  limit: [0],
  rate: ['none'],
  burst: ['none'],
  user: [''],
  owner: [''],
  capabilities: [],
  directory: [''],
  log: [''],
  'log-limit': [''],
};

/** Nothing where there is no step because something is in the way: what that is says more. */
export function formatPlan(plan: Plan, locate: Locate, paint: Paint): string {
  if (plan.steps.length === 0) return plan.conflicts.length > 0 ? '' : `${noChanges(plan.lab)}\n`;
  let text = '';
  let namespace: string | undefined;
  for (const step of plan.steps) {
    if (step.namespace !== namespace) {
      if (namespace !== undefined) text += '\n';
      namespace = step.namespace;
      text += `${paint('bold', namespace === 'host' ? 'host' : `namespace ${namespace}`)}\n`;
    }
    text += formatStep(visibleIn(step), locate, paint);
  }
  return `${text}\n${summaryLine(plan)}\n`;
}

export function noChanges(lab: string): string {
  return `No changes: lab '${lab}' is as the file says.`;
}

export function nothingToDestroy(lab: string): string {
  return `Nothing to destroy: there is no lab '${lab}'.`;
}

export function summaryLine({ summary: { add, change, destroy } }: Plan): string {
  return `Plan: ${add} to add, ${change} to change, ${destroy} to destroy.`;
}

/** `+ veth wan`: a step in one line. */
export function stepTitle(step: Step): string {
  return `${symbols[step.action].symbol} ${resourceTitle(step)}`;
}

/** `veth wan`, `route default`: a resource inside its namespace. */
export function resourceTitle({ kind, label }: Pick<Step, 'kind' | 'label'>): string {
  if (kind === 'namespace') return 'namespace';
  return isSelfNamed(kind) ? label : `${kind} ${label}`;
}

/** Open vSwitch snoops only where it is told to, and the kernel's bridges unless they are told not to. */
const usualOf: Readonly<Record<string, typeof usual>> = { 'ovs-bridge': { 'mcast-snooping': [false] } };

/** Whether an attribute says more than the title and the kernel's defaults do. */
export function isTelling(name: string, value: Value, kind = ''): boolean {
  if (Array.isArray(value) && value.length === 0) return false;
  const defaults = usualOf[kind]?.[name] ?? usual[name];
  return !hidden.has(name) && name !== 'mark' && !defaults?.includes(value);
}

export function planJson(plan: Plan, locate: Locate, warnings: readonly PlanWarning[] = []): object {
  return {
    schemaVersion: 1,
    lab: plan.lab,
    summary: plan.summary,
    steps: plan.steps.map((step) => ({
      id: step.id,
      action: step.action,
      kind: step.kind,
      resource: step.resource,
      namespace: step.namespace,
      before: step.before ?? null,
      after: step.after ?? null,
      changes: step.changes,
      reason: step.reason,
      source: step.place === undefined ? null : locate(step.place),
      disrupts: step.disrupts ?? null,
    })),
    conflicts: plan.conflicts.map(({ resource, lab, message, hint, place }) => ({
      resource,
      lab: lab ?? null,
      message,
      hint,
      source: place === undefined ? null : locate(place),
    })),
    warnings: warnings.map(({ code, message, help }) => ({ code, message, help })),
  };
}

export function formatWarnings(warnings: readonly PlanWarning[], paint: Paint): string {
  return warnings
    .map(
      ({ code, message, help }) =>
        `${paint('yellow', `warning[${code}]`)} ${visible(message)}\n  help: ${visible(help)}\n`,
    )
    .join('');
}

export function formatConflicts(conflicts: readonly Conflict[], locate: Locate, paint: Paint): string {
  return conflicts
    .map(({ message, hint, place }) => {
      const where = place === undefined ? '' : `${locate(place)}: `;
      return `${where}${paint('red', 'error[in-the-way]')} ${visible(message)}\n  help: ${visible(hint)}\n`;
    })
    .join('');
}

/** The lines of a step, each with its end. */
function formatStep(step: Step, locate: Locate, paint: Paint): string {
  const { action, reason, place, changes, disrupts } = step;
  const { symbol, style } = symbols[action];
  const title = `${' '.repeat(3 - symbol.length)}${stepTitle(step)}`;
  const why = reason === 'missing' || reason === 'different' ? '' : reason;
  const where = place === undefined ? '' : locate(place);
  const note = why === '' || where === '' ? why + where : `${why}, ${where}`;
  let text = `${paint(style, title)}${note === '' ? '' : paint('dim', `  # ${note}`)}\n`;
  if (action === 'create') text += newAttributes(step);
  for (const { attribute, before, after } of changes) {
    if (attribute === 'kind' || (attribute === 'mark' && changes.length > 1)) continue;
    if (attribute === 'lines') text += lineChanges(before, after);
    else text += `        ${attributeName(attribute)}: ${formatValue(before)} -> ${formatValue(after)}\n`;
  }
  if (disrupts !== undefined) text += `${paint('yellow', `        disrupts: ${disrupts}`)}\n`;
  return text;
}

/** Of a file: the lines that go and those that come. */
function lineChanges(before: Value | undefined, after: Value | undefined): string {
  const [old, wanted] = [before, after].map((value) => (Array.isArray(value) ? value.map(String) : []));
  const gone = (old ?? []).filter((line) => wanted?.includes(line) !== true);
  const come = (wanted ?? []).filter((line) => old?.includes(line) !== true);
  if (gone.length + come.length === 0) return '        the order of its lines\n';
  return [...gone.map((line) => `        - ${line}\n`), ...come.map((line) => `        + ${line}\n`)].join(
    '',
  );
}

/** More lines of a new file are only counted. */
const MOST_LINES = 10;

function newAttributes({ after = {}, kind }: Step): string {
  let text = '';
  for (const name in after) {
    const value = after[name];
    if (name === 'lines' && Array.isArray(value)) {
      text += value
        .slice(0, MOST_LINES)
        .map((line) => `        ${line}\n`)
        .join('');
      if (value.length > MOST_LINES) text += `        and ${value.length - MOST_LINES} lines more\n`;
      continue;
    }
    if (name === 'command' && Array.isArray(value)) {
      text += `        ${value.join(' ')}\n`;
      continue;
    }
    if (value !== undefined && isTelling(name, value, kind))
      text += `        ${attributeName(name)}: ${formatValue(value)}\n`;
  }
  return text;
}

function attributeName(name: string): string {
  return name === 'mark' ? 'ownership mark' : name === 'nexthops' ? 'next hop' : name;
}

function formatValue(value: Value | undefined): string {
  if (value === undefined || value === '') return '(none)';
  return Array.isArray(value) ? value.join(', ') || '(none)' : String(value);
}

/** Kinds whose label says what they are. */
const selfNamed: ReadonlySet<string> = new Set([
  'route',
  'sysctl',
  'nat',
  'peer',
  'rule',
  'neighbor',
  'nexthop',
  'wireguard-peer',
  'impairment',
  'redirect',
]);

function isSelfNamed(kind: string): boolean {
  return selfNamed.has(kind);
}
