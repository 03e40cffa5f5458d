import type { ErrorObject } from 'ajv';
import { groupBy } from '../lib/collections.ts';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { ancestorsOf, pointer, pointerParts, valueAt } from '../lib/pointer.ts';
import { helpForForeign } from './foreign-words.ts';
import { isImpairmentKey } from './impairments/parse.ts';
import type { TraceSource } from './source.ts';
import { suggest } from './suggest.ts';

/** One diagnostic for each real mistake that the schema's validator found; its errors about wrappers are left out. */
export function explainSchemaErrors(
  errors: readonly ErrorObject[],
  data: unknown,
  source: TraceSource,
): Diagnostic[] {
  const byPath = groupBy(errors, ({ instancePath }) => instancePath);
  const ancestors = new Set([...byPath.keys()].flatMap(ancestorsOf));
  const diagnostics = new Map<string, Diagnostic>();
  for (const [path, found] of byPath) {
    const wrong: Wrong = { path, value: valueAt(data, path), errors: found, hasInner: ancestors.has(path) };
    for (const problem of problemsOf(wrong)) addDiagnostic(diagnostics, problem, source);
  }
  return [...diagnostics.values()];
}

/** A value and all that the validator says about it. */
interface Wrong {
  readonly path: string;
  readonly value: unknown;
  readonly errors: readonly ErrorObject[];
  /** There are errors inside of the value, too. */
  readonly hasInner: boolean;
}

interface Problem {
  readonly code: string;
  readonly message: string;
  readonly help?: string | undefined;
  /** Where, if it is not the value. */
  readonly key?: string;
}

const MAX_USES = 3;

function addDiagnostic(
  found: Map<string, Diagnostic>,
  problem: Problem & { path: string },
  source: TraceSource,
) {
  const { code, message, help, path, key = path } = problem;
  const { location, usedAt } = source.trace({
    pointer: key,
    part: problem.key === undefined ? 'value' : 'key',
  });
  // What is missing in a map of many lines is shown at its beginning.
  const isLong = code === 'missing-key' && location.endLine > location.line;
  const place = isLong ? { ...location, endLine: location.line, endColumn: location.column } : location;
  // One mistake behind an anchor is one diagnostic, however often it is used.
  const id = `${place.file}:${place.line}:${place.column} ${message}`;
  const related = [...(found.get(id)?.related ?? [])];
  const isNew = related.every((other) => other.location.line !== usedAt?.line);
  if (usedAt !== undefined && usedAt.line !== place.line && isNew && related.length < MAX_USES)
    related.push({ message: 'used here', location: usedAt });
  const rest = { ...(help === undefined ? {} : { help }), ...(related.length === 0 ? {} : { related }) };
  found.set(id, { severity: 'error', code, message, location: place, ...rest });
}

function problemsOf(wrong: Wrong): (Problem & { path: string })[] {
  const { value, path, hasInner } = wrong;
  // Of a choice, the branch for the value's own type says what is wrong inside.
  const inside = isMap(value) ? entryProblems(wrong) : [];
  const own = inside.length > 0 || hasInner ? inside : [valueProblem(wrong)];
  return own.map((problem) => ({ ...problem, path }));
}

function entryProblems({ path, errors }: Wrong): Problem[] {
  const unknown = groupBy(
    errors.filter(({ keyword }) => keyword === 'additionalProperties'),
    ({ params }) => String(params['additionalProperty']),
  );
  const suggested = new Set<string>();
  const problems: Problem[] = [...unknown].map(([key, list]) => {
    const known = [...new Set(list.flatMap(knownKeys))].sort();
    const foreign = helpForForeign(key, known);
    const near = foreign === undefined ? (suggest(key, known) ?? abbreviation(key, known)) : undefined;
    if (near !== undefined) suggested.add(near);
    const isGlued = known.includes(key.split(':')[0] ?? '');
    const help = isGlued
      ? "write a blank behind the ':'"
      : (foreign ?? `known keys here are ${listKeys(known)}`);
    return {
      code: 'unknown-key',
      message: `unknown key '${key}'${question(near)}`,
      help: near === undefined && known.length > 0 ? help : undefined,
      key: `${path}${pointer(key)}`,
    };
  });
  for (const error of errors) {
    if (error.keyword === 'discriminator') problems.push(unknownType(error, path));
    const key = String(error.params['missingProperty']);
    // The misspelt key is the same mistake.
    if (error.keyword === 'required' && !suggested.has(key)) problems.push(missingKey(key, path, error));
    if (error.keyword === 'minProperties') {
      const actions = knownKeys(error).filter((name) => name !== 'name');
      const help = `it needs one of ${actions.join(', ')}`;
      problems.push({ code: 'missing-key', message: `${nameOf(path)} is empty`, help, key: path });
    }
  }
  return problems;
}

/** Of a choice by `type`: it is missing, or it is none of those that there are. */
function unknownType({ params, parentSchema }: ErrorObject, path: string): Problem {
  const tag = String(params['tag']);
  const value: unknown = params['tagValue'];
  const branches = (parentSchema?.['oneOf'] ?? []) as readonly { readonly $ref?: string }[];
  const choices = branches.map(({ $ref = '' }) => $ref.replace(/^.*\/(.*)Device$/, '$1'));
  const known = `accepted: ${choices.join(', ')}`;
  if (value === undefined) {
    const message = `'${tag}' is missing in ${nameOf(path)}`;
    return { code: 'missing-key', message, help: known, key: path };
  }
  const near = question(suggest(String(value), choices));
  const message = `'${tag}' cannot be ${shown(value)}${near}; ${known}`;
  return { code: 'wrong-value', message, key: `${path}${pointer(tag)}` };
}

function missingKey(key: string, path: string, { parentSchema }: ErrorObject): Problem {
  const properties = parentSchema?.['properties'] as Record<string, Record<string, unknown>> | undefined;
  const meaning = properties?.[key]?.['description'];
  return {
    code: 'missing-key',
    message: path === '' ? `'${key}' is missing` : `'${key}' is missing in ${nameOf(path)}`,
    help: path === '' ? "a topology begins with its name, for example 'name: lab'" : withoutStop(meaning),
    key: path,
  };
}

function valueProblem(wrong: Wrong): Problem {
  const { path, value, errors } = wrong;
  const name = nameOf(path);
  const find = (...keywords: string[]) => errors.find(({ keyword }) => keywords.includes(keyword));
  const range = find('minimum', 'maximum');
  if (range !== undefined)
    return { code: 'out-of-range', message: `${name} is ${shown(value)}; it must be ${accepted(wrong)}` };
  const size = find('minItems', 'maxItems', 'maxLength', 'minLength');
  if (size !== undefined)
    return { code: 'out-of-range', message: `${name} ${size.message ?? 'has a wrong size'}` };
  const isScalar = typeof value !== 'object';
  const choices = choicesOf(errors);
  if (choices.length > 0 && isScalar) {
    const near = question(suggest(String(value), choices));
    const message = `${name} cannot be ${shown(value)}${near}; accepted: ${accepted(wrong)}`;
    return { code: 'wrong-value', message };
  }
  const pattern = find('pattern');
  if (pattern !== undefined) {
    const help = withoutStop(pattern.parentSchema?.['description']) ?? withoutStop(descriptionOf(errors));
    return {
      code: path === '/name' ? 'bad-name' : 'bad-format',
      message: `${name} cannot be ${shown(value)}`,
      help,
    };
  }
  const isEmpty = value === null || value === undefined;
  const message = isEmpty
    ? `${name} is empty; it must be ${accepted(wrong)}`
    : `${name} must be ${accepted(wrong)}, not ${foundText(value)}`;
  return { code: 'wrong-type', message, help: hintFor(wrong) ?? withoutStop(descriptionOf(errors)) };
}

/** What YAML makes of a value that somebody meant otherwise. */
function hintFor({ path, value, errors }: Wrong): string | undefined {
  const types = new Set(typesOf(errors));
  if (value === null)
    return `nothing stands behind the ':'${types.has('object') ? '; {} is an empty map' : ''}`;
  if (typeof value === 'number' && path.endsWith('/macaddress'))
    return 'put the address in quotes, "02:42:ac:11:00:02": YAML may read one without letters as a number';
  if (typeof value === 'number' && path.endsWith('/within')) return `write the unit, such as ${value}s`;
  if (typeof value === 'string' && types.has('boolean') && /^(yes|no|on|off|y|n)$/i.test(value))
    return `write ${/^(yes|on|y)$/i.test(value)}: to YAML 1.2, ${value} is a text`;
  if (typeof value === 'string' && types.has('integer') && /^\d+$/.test(value)) return 'leave out the quotes';
  if (typeof value === 'string' && errors.flatMap(knownKeys).includes(value.split(':')[0] ?? ''))
    return "write a blank behind the ':'";
  if (isMap(value) && types.has('array')) return "the entries of a list begin with '- '";
  const isPlain = typeof value === 'number' || typeof value === 'boolean';
  if (isPlain && types.has('string') && !placeNames.some(([place]) => place.test(path)))
    return 'put the value in quotes if a text is meant';
  return undefined;
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  integer: 'a whole number',
  number: 'a number',
  object: 'a map',
  array: 'a list',
};

const addresses = { string: 'an address', array: 'a list of addresses' };

/** What the types are called at a place. */
const placeNames: readonly [RegExp, Readonly<Record<string, string>>][] = [
  [/\/(addresses|remote)$/, addresses],
  [/^\/tunnels\/[^/]+\/endpoints\/[^/]+$/, { object: 'a map of settings' }],
  [/\/(ports|endpoints|interfaces)\/(?!\d+$)[^/]+$/, { ...addresses, object: 'a map of settings' }],
  [/\/(ports|endpoints)$/, { object: 'a map of endpoints', array: 'a list of endpoints' }],
  [/\/(ports|endpoints)\/\d+$/, { string: 'NAMESPACE:INTERFACE' }],
  [/\/links\/\d+$/, { object: 'a map with endpoints', array: 'a list of two endpoints' }],
  [/^\/namespaces$/, { object: 'a map of namespaces', array: 'a list of names' }],
  [/\/routes$/, { array: 'a list of routes', object: 'a map from destination to next hop' }],
  [/\/routes\/[^/]+$/, { string: "the next hop's address", object: 'a map of settings' }],
  [/\/publish\/\d+$/, { string: 'a text such as 8080:10.0.0.3:80', object: 'a map of settings' }],
  [/\/(port|to-port)$/, { integer: 'a port', string: 'a range such as 9000-9009' }],
  [/\/forwarding$/, { array: 'a list of ipv4 and ipv6' }],
  [/\/macaddress$/, { string: 'a MAC address' }],
  [/\/(delay|jitter|rtt\/m(in|ax))$/, { string: 'a time such as 50ms' }],
  [
    /\/(loss|duplicate|corrupt|reorder|[a-z]+-correlation|loss\/m(in|ax)|gemodel\/.*|state\/.*)$/,
    { string: 'a share such as 0.1%', object: 'a map of a loss model' },
  ],
  [/\/rate$/, { string: 'a rate such as 10mbit' }],
  [/\/burst$/, { string: 'a size such as 32kb' }],
];

/** Simple forms are named before maps. */
const typeOrder = ['boolean', 'integer', 'number', 'string', 'array', 'object'];

/** The forms that a place takes, as a list for a sentence. */
function accepted({ path, errors }: Wrong): string {
  const names = { ...typeNames, ...placeNames.find(([place]) => place.test(path))?.[1] };
  const ranged = errors.filter(({ parentSchema }) => parentSchema?.['minimum'] !== undefined);
  const [from, to] = ['minimum', 'maximum'].map((bound) => ranged[0]?.parentSchema?.[bound]);
  const bounds = to === undefined ? `at least ${from}` : `from ${from} to ${to}`;
  const isOutside = ranged.some(({ keyword }) => keyword !== 'type');
  const choices = choicesOf(errors);
  const types = new Set(typesOf(errors));
  const forms = typeOrder
    .filter((type) => types.has(type) && !(isOutside && type === 'string'))
    .flatMap((type) => {
      if (type === 'integer' && from !== undefined && choices.length > 0) return `${names[type]} ${bounds}`;
      return type === 'boolean' ? ['true', 'false'] : (names[type] ?? type);
    });
  const all = [...(isOutside ? [bounds] : []), ...choices, ...forms];
  // Values alone are a plain list; forms end in "or".
  if (forms.length === 0 && !isOutside) return all.join(', ');
  return all.length === 1 ? `${all[0]}` : `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
}

function choicesOf(errors: readonly ErrorObject[]): string[] {
  return errors
    .flatMap(({ params }) => params['allowedValues'] ?? params['allowedValue'] ?? [])
    .map((choice) => String(choice));
}

function typesOf(errors: readonly ErrorObject[]): string[] {
  return errors.filter(({ keyword }) => keyword === 'type').flatMap(({ params }) => params['type']);
}

/** The description of the outermost schema of a place: of a choice, that of the choice itself. */
function descriptionOf(errors: readonly ErrorObject[]): unknown {
  const outer = errors.find(({ keyword }) => keyword === 'anyOf') ?? errors[0];
  return outer?.parentSchema?.['description'];
}

/** A description as a part of a line: without its full stop, and beginning small unless with an abbreviation. */
function withoutStop(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined;
  return text.replace(/\.$/, '').replace(/^[A-Z](?=[a-z ])/, (letter) => letter.toLowerCase());
}

function knownKeys({ parentSchema }: ErrorObject): string[] {
  return Object.keys((parentSchema?.['properties'] as object | undefined) ?? {});
}

/** The keys of an impairment, which are many and can stand at every interface, are not all named. */
function listKeys(keys: readonly string[]): string {
  const others = keys.filter((key) => !isImpairmentKey(key));
  // A ping has a `loss`, too.
  if (others.length === 0 || keys.length - others.length < 3) return keys.join(', ');
  return `${others.join(', ')}; and those of an impairment, such as delay, loss and rate`;
}

/** `mac` for `macaddress`: only where one key alone begins so. */
function abbreviation(key: string, known: readonly string[]): string | undefined {
  const found = known.filter((name) => name.startsWith(key.toLowerCase()));
  return key.length >= 2 && found.length === 1 ? found[0] : undefined;
}

function question(near: string | undefined): string {
  return near === undefined ? '' : `; did you mean '${near}'?`;
}

function nameOf(path: string): string {
  const parts = pointerParts(path);
  const last = parts.at(-1) ?? 'the file';
  return /^\d+$/.test(last) ? `item ${Number(last) + 1} of '${parts.at(-2) ?? ''}'` : `'${last}'`;
}

function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? 'nothing');
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function foundText(value: unknown): string {
  if (typeof value !== 'object')
    return `the ${typeof value === 'string' ? 'text' : typeof value} ${shown(value)}`;
  return Array.isArray(value) ? 'a list' : 'a map';
}
