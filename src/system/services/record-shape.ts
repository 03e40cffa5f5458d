import { TopoweaveError } from '../../lib/errors.ts';
import { parseBeginning } from '../../lib/partial-json.ts';
import type { Process } from '../processes.ts';
import type { ServiceRecord } from './record.ts';

/** Milliseconds, where a record does not say how long a service may take to stop. */
const STOP_WITHIN = 5_000;

/** In no environment: the service's name tells its processes then. */
export const UNKNOWN_TOKEN = 'unknown';

export interface ServiceIdentity {
  readonly lab: string;
  readonly namespace: string;
  readonly name: string;
  readonly log: string;
}

export interface ShapedService {
  readonly record: ServiceRecord;
  /** What is wrong with it, in words; undefined for a good one. */
  readonly problem: string | undefined;
}

/**
 * What the record of a service says; the name of its file says whose it is. Without the process the service counts as one
 * that does not run, and without the token the environment of what it started tells it.
 *
 * @throws TopoweaveError for one of a newer topoweave.
 */
export function shapeServiceRecord(text: string, identity: ServiceIdentity, path: string): ShapedService {
  let value: unknown;
  let problem: string | undefined;
  try {
    value = JSON.parse(text);
  } catch {
    value = parseBeginning(text)?.value;
    problem = 'it is cut off, or no JSON';
  }
  if (!isMap(value)) return { record: unknownService(identity), problem: problem ?? 'it is no map' };
  if (problem === undefined) refuseNewer(value, path);
  const wrong: string[] = (['lab', 'namespace', 'name'] as const).filter(
    (name) => value[name] !== identity[name],
  );
  if (value['version'] !== 1) wrong.unshift('version');
  const record: Record<string, unknown> = { ...value, ...unknownService(identity) };
  for (const name of optional) delete record[name];
  for (const [name, isRight] of Object.entries(fields)) {
    if (!Object.hasOwn(value, name) && optional.has(name)) continue;
    if (isRight(value[name])) record[name] = value[name];
    else wrong.push(name);
  }
  problem ??= wrong.length === 0 ? undefined : `wrong or missing: ${wrong.join(', ')}`;
  return { record: record as unknown as ServiceRecord, problem };
}

/** Nothing is known but which service it was. */
export function unknownService({ lab, namespace, name, log }: ServiceIdentity): ServiceRecord {
  return {
    version: 1,
    lab,
    namespace,
    name,
    log,
    attributes: {},
    stopWithin: STOP_WITHIN,
    token: UNKNOWN_TOKEN,
  };
}

const fields: Readonly<Record<string, (value: unknown) => boolean>> = {
  attributes: (value) =>
    isMap(value) && !Object.hasOwn(value, '__proto__') && Object.values(value).every(isPlain),
  log: (value) => typeof value === 'string' && value.startsWith('/') && !value.includes('\0'),
  stopWithin: (value) => typeof value === 'number' && value >= 0 && value <= 86_400_000,
  token: (value) => typeof value === 'string' && (value === UNKNOWN_TOKEN || /^[0-9a-f-]{36}$/.test(value)),
  process: isProcess,
  writer: isProcess,
};

/** Of one that is about to start, or whose log has no limit. */
const optional: ReadonlySet<string> = new Set(['process', 'writer']);

function isProcess(value: unknown): value is Process {
  return (
    isMap(value) &&
    Number.isInteger(value['pid']) &&
    Number(value['pid']) > 1 &&
    Number.isInteger(value['session']) &&
    ['start', 'boot', 'pidNamespace'].every((name) => typeof value[name] === 'string')
  );
}

function isPlain(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((each) => typeof each === 'string');
  return ['string', 'number', 'boolean'].includes(typeof value);
}

function refuseNewer({ version }: Readonly<Record<string, unknown>>, path: string): void {
  if (!Number.isSafeInteger(version) || Number(version) <= 1) return;
  throw new TopoweaveError('newer-record', `${path} was written by a newer topoweave (version ${version})`, {
    hint: 'use that version of topoweave for this lab; nothing was changed',
  });
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
