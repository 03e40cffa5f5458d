import { TopoweaveError } from '../lib/errors.ts';
import { parseBeginning } from '../lib/partial-json.ts';
import { emptyRecord, type LabRecord } from './record.ts';

/** What a record says, field by field: what has its right type is kept, whatever the others are. */
export interface ShapedRecord {
  readonly record: LabRecord;
  /** What is wrong with it, in words; undefined for a good one. */
  readonly problem: string | undefined;
  /** Fields of which something is missing, or may be. */
  readonly lost: readonly string[];
}

/** A value with only what is right in it; undefined: nothing is. */
type Check = (value: unknown) => { readonly value: unknown; readonly isWhole: boolean } | undefined;
type Test = (value: unknown) => boolean;

/** The version of the record that this program writes. */
const VERSION = 1;

const isText: Test = (value) => typeof value === 'string' && !value.includes('\0');
/** A value goes into a file below /proc/sys, an option or a line into a batch of ip(8): all of them are one line. */
const isLine: Test = (value) => typeof value === 'string' && !/[\0\n\r]/.test(value);
const isPath: Test = (value) => isText(value) && String(value).startsWith('/');
/** A name becomes a part of a path below /run/netns. */
const isName: Test = (value) => isLine(value) && /^(?!\.{1,2}$)[^/]+$/.test(String(value));
const isPort: Test = (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535;
const isMtu: Test = (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 0xffff_ffff;
/** It becomes a path: a dot stands for a slash there, and a slash for a dot (sysctl(8)). */
const isSysctl: Test = (value) =>
  isLine(value) &&
  /^net\../.test(String(value)) &&
  String(value)
    .split('.')
    .every((part) => part !== '' && !/^\/{1,2}$/.test(part));

const one =
  (test: Test): Check =>
  (value) =>
    test(value) ? { value, isWhole: true } : undefined;

const list =
  (test: Test): Check =>
  (value) => {
    if (!Array.isArray(value)) return undefined;
    const right = value.filter(test);
    return { value: right, isWhole: right.length === value.length };
  };

const map =
  (isKey: Test, check: Check): Check =>
  (value) => {
    if (!isMap(value)) return undefined;
    const right: [string, unknown][] = [];
    let isWhole = true;
    for (const [key, each] of Object.entries(value)) {
      const found = key !== '__proto__' && isKey(key) ? check(each) : undefined;
      if (found !== undefined) right.push([key, found.value]);
      if (found?.isWhole !== true) isWhole = false;
    }
    return { value: Object.fromEntries(right), isWhole };
  };

/** All of it or nothing: a half of it would bring back a half. */
const whole =
  (checks: Readonly<Record<string, Check>>, optional: Readonly<Record<string, Check>> = {}): Check =>
  (value) => {
    if (!isMap(value)) return undefined;
    const isGood = ([name, check]: [string, Check]) => check(value[name])?.isWhole === true;
    const isRight =
      Object.entries(checks).every((entry) => Object.hasOwn(value, entry[0]) && isGood(entry)) &&
      Object.entries(optional).every((entry) => !Object.hasOwn(value, entry[0]) || isGood(entry));
    return isRight && !Object.hasOwn(value, '__proto__') ? { value, isWhole: true } : undefined;
  };

/** What brings addresses and routes back: see linesThatRestore in kinds/route.ts. */
const isRestoring: Test = (value) =>
  isLine(value) && /^(-[46] )?(address|route|neigh|neighbor) \S/.test(String(value));

const adopted = whole(
  {
    name: one(isName),
    mtu: one(isMtu),
    macaddress: one(isLine),
    state: one(isLine),
    master: one(isLine),
    lines: list(isRestoring),
    isExact: one((value) => typeof value === 'boolean'),
  },
  { given: list(isLine) },
);

const damage = whole({ kept: one(isPath), lost: list(isLine), sysctls: list(isSysctl) });

type Field = Exclude<keyof LabRecord, 'version' | 'lab' | 'orphans'>;

const fields: Readonly<Record<Field, Check>> = {
  file: one(isPath),
  more: whole({ over: list(isPath), set: map(isText, one(isText)) }),
  claims: list(isName),
  namespaces: list(isName),
  sysctls: map(isName, map(isSysctl, one(isLine))),
  wants: map(isSysctl, one(isLine)),
  options: map(isLine, one(isLine)),
  hostObjects: list(isLine),
  ovs: one((value) => typeof value === 'boolean'),
  adopted: map(isLine, adopted),
  fdb: list(isName),
  ports: map(isLine, one(isPort)),
  // The folder /etc/netns itself is '.'.
  etc: list((value) => value === '.' || isName(value)),
  damage,
};

/** Those that each record has. */
const always: readonly Field[] = ['claims', 'sysctls', 'hostObjects', 'adopted'];

const everything: readonly string[] = Object.keys(fields).filter((name) => name !== 'damage');

/**
 * What the text of a record says. Never throws for what is in it, but for one of a newer topoweave: that one is not damaged,
 * and to write it anew would take away what it says.
 */
export function shapeRecord(text: string, lab: string, path: string): ShapedRecord {
  const { value, problem, cutIn } = parse(text);
  if (!isMap(value)) return nothingOf(lab, problem ?? 'it is no map');
  if (problem === undefined) refuseNewer(value, path);
  const named = value['lab'];
  if (typeof named === 'string' && named !== lab && cutIn !== 'lab')
    return nothingOf(lab, `it is of the lab ${JSON.stringify(named.slice(0, 40))}`);
  const shaped = shapeFields(value, lab, cutIn);
  const lost = problem === undefined ? shaped.lost : missingOf(value, shaped.lost);
  const wrong = [
    ...(value['version'] === VERSION ? [] : ['version']),
    ...(named === lab ? [] : ['lab']),
    ...shaped.lost,
  ];
  const words = wrong.length === 0 ? undefined : `wrong or missing: ${wrong.join(', ')}`;
  return { record: shaped.record, problem: problem ?? words, lost };
}

const words: Readonly<Record<string, string>> = {
  file: 'the file that it was applied from',
  more: 'its variables',
  claims: 'namespaces that were about to be made',
  sysctls: 'values of sysctls from before',
  wants: 'sysctls of the machine that it wants',
  options: 'options of interfaces from before',
  hostObjects: 'its objects on the host that carry no mark',
  adopted: 'interfaces that it adopted',
  ports: 'ports that it chose',
};

/** What is lost, for a message; undefined where that is nothing that anybody would miss. */
export function lostWords(lost: readonly string[]): string | undefined {
  const found = lost.flatMap((name) => words[name] ?? []);
  if (found.length === Object.keys(words).length) return 'everything that it said';
  return found.length === 0 ? undefined : found.join(', ');
}

/** Nothing can be believed. */
export function nothingOf(lab: string, problem: string): ShapedRecord {
  return { record: emptyRecord(lab), problem, lost: everything };
}

function parse(text: string): { value: unknown; problem?: string; cutIn?: string | undefined } {
  try {
    return { value: JSON.parse(text) };
  } catch {
    const problem = 'it is cut off, or no JSON';
    const beginning = parseBeginning(text);
    if (beginning === undefined || !isMap(beginning.value)) return { value: {}, problem };
    const last = Object.keys(beginning.value).at(-1);
    return { value: beginning.value, problem, cutIn: beginning.isLastCut ? last : undefined };
  }
}

function refuseNewer({ version }: Readonly<Record<string, unknown>>, path: string): void {
  if (!Number.isSafeInteger(version) || Number(version) <= VERSION) return;
  throw new TopoweaveError(
    'newer-record',
    `${path} was written by a newer topoweave (version ${version} of the record; this one knows ${VERSION})`,
    { hint: 'use that version of topoweave for this lab; nothing was changed' },
  );
}

function shapeFields(
  value: Readonly<Record<string, unknown>>,
  lab: string,
  cutIn: string | undefined,
): { readonly record: LabRecord; readonly lost: string[] } {
  const lost: string[] = always.filter((name) => !Object.hasOwn(value, name));
  const record: Record<string, unknown> = { ...emptyRecord(lab) };
  for (const [name, each] of Object.entries(value)) {
    if (name === 'version' || name === 'lab') continue;
    if (!isField(name)) {
      // Of a later release: it stays as it is.
      if (name !== '__proto__' && name !== 'orphans') record[name] = each;
      continue;
    }
    const found = fields[name](each);
    if (found !== undefined) record[name] = found.value;
    if (found?.isWhole !== true || name === cutIn) lost.push(name);
  }
  // A half of this list would make strangers of the other half: without it, the marks have to prove what is the lab's.
  if (lost.includes('namespaces')) delete record['namespaces'];
  return { record: record as unknown as LabRecord, lost };
}

/** Of a text that ends too early, nobody knows what was behind: all that is not there is lost. */
function missingOf(value: Readonly<Record<string, unknown>>, lost: readonly string[]): string[] {
  return [...new Set([...lost, ...everything.filter((name) => !Object.hasOwn(value, name))])];
}

function isField(name: string): name is Field {
  return Object.hasOwn(fields, name);
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
