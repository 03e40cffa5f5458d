import type { ErrorObject } from 'ajv';
import type { Diagnostic, Place } from '../lib/diagnostic.ts';
import { pointer, pointerParts } from '../lib/pointer.ts';
import type { Source } from './source.ts';
import { suggestion } from './suggest.ts';

/** One diagnostic for each real mistake that the schema's validator found; its errors about wrappers are left out. */
export function explainSchemaErrors(
  errors: readonly ErrorObject[],
  data: unknown,
  source: Source,
): Diagnostic[] {
  const byPath = new Map<string, ErrorObject[]>();
  for (const error of errors) {
    const path = error.instancePath;
    byPath.set(path, [...(byPath.get(path) ?? []), error]);
  }
  const paths = [...byPath.keys()];
  const diagnostics: Diagnostic[] = [];
  for (const [path, list] of byPath) {
    const value = valueAt(data, path);
    const hasDeeper = paths.some((other) => other.startsWith(`${path}/`));
    const unknown = list.filter(({ keyword }) => keyword === 'additionalProperties');
    const isWrapper = list.some(({ keyword }) => keyword === 'anyOf');
    // Of a choice, the branch for the value's own type says what is wrong inside.
    if (unknown.length > 0 && (!isWrapper || isMap(value))) {
      diagnostics.push(...unknownKeys(unknown, path, source));
      continue;
    }
    if (isWrapper && hasDeeper && typeof value === 'object') continue;
    const message = explain(list, value, path);
    if (message !== undefined) diagnostics.push({ ...message, location: source.locate(message.place) });
  }
  return diagnostics.map(({ severity, code, message, location, help, related }) => ({
    severity,
    code,
    message,
    location,
    ...(help === undefined ? {} : { help }),
    ...(related === undefined ? {} : { related }),
  }));
}

type Explained = Omit<Diagnostic, 'location'> & { readonly place: Place };

function explain(errors: readonly ErrorObject[], value: unknown, path: string): Explained | undefined {
  const part = (keyword: string) => errors.find((error) => error.keyword === keyword);
  const place = (pointerText: string, kind: Place['part'] = 'value'): Place => ({
    pointer: pointerText,
    part: kind,
  });
  const shown = show(value);
  const missing = errors.filter(({ keyword }) => keyword === 'required');
  const first = missing[0];
  if (first !== undefined && isMap(value)) {
    const names = missing.map(({ params }) => `'${params['missingProperty']}'`).join(' and ');
    const where = path === '' ? '' : ` in ${nameOf(path)}`;
    const example =
      path === '' ? "a topology begins with its name, for example 'name: lab'" : describe(first);
    return {
      severity: 'error',
      code: 'missing-key',
      message: `${names} is missing${where}`,
      place: place(path, 'key'),
      ...help(example),
    };
  }
  const choices = [part('enum')?.params['allowedValues'], part('const')?.params['allowedValue']]
    .flat()
    .filter((item) => item !== undefined);
  const range = part('minimum') ?? part('maximum');
  if (range !== undefined && typeof value === 'number') {
    const word = range.keyword === 'minimum' ? 'at least' : 'at most';
    return {
      severity: 'error',
      code: 'out-of-range',
      message: `${nameOf(path)} is ${shown}; it must be ${word} ${range.params['limit']}`,
      place: place(path),
    };
  }
  if (choices.length > 0 && typeof value !== 'object') {
    const near = suggestion(String(value), choices.map(String));
    const accepted = choices.map((item) => `${item}`).join(', ');
    const types = errors
      .filter(({ keyword }) => keyword === 'type')
      .map(({ params }) => typeName(String(params['type'])));
    const others = types.length === 0 ? '' : `, or ${[...new Set(types)].join(', ')}`;
    return {
      severity: 'error',
      code: 'wrong-value',
      message: `${nameOf(path)} cannot be ${shown}${near}; accepted: ${accepted}${others}`,
      place: place(path),
    };
  }
  const pattern = part('pattern');
  if (pattern !== undefined && typeof value === 'string') {
    const code = path === '/name' ? 'bad-name' : 'bad-format';
    return {
      severity: 'error',
      code,
      message: `${nameOf(path)} cannot be ${shown}`,
      place: place(path),
      ...help(describe(pattern)),
    };
  }
  const types = errors
    .filter(({ keyword }) => keyword === 'type')
    .flatMap(({ params }) => params['type'] as string | string[]);
  if (types.length > 0) {
    const accepted = [...new Set(types.filter((type) => type !== 'null').map(typeName))].join(' or ');
    return {
      severity: 'error',
      code: 'wrong-type',
      message: `${nameOf(path)} must be ${accepted}, not ${typeOf(value)}`,
      place: place(path),
      ...help(hint(value, path)),
    };
  }
  const [any] = errors.filter(({ keyword }) => keyword !== 'anyOf');
  if (any === undefined) return undefined;
  return {
    severity: 'error',
    code: 'bad-format',
    message: `${nameOf(path)} ${any.message ?? 'is not valid'}`,
    place: place(path),
    ...help(describe(any)),
  };
}

function unknownKeys(errors: readonly ErrorObject[], path: string, source: Source): Diagnostic[] {
  const keys = new Map<string, string[]>();
  for (const error of errors) {
    const key = String(error.params['additionalProperty']);
    keys.set(key, [...(keys.get(key) ?? []), ...knownKeys(error)]);
  }
  return [...keys].map(([key, list]) => {
    const known = [...new Set(list)].sort();
    const near = suggestion(key, known);
    return {
      severity: 'error',
      code: 'unknown-key',
      message: `unknown key '${key}'${near}`,
      location: source.locate({ pointer: `${path}${pointer(key)}`, part: 'key' }),
      ...(near !== '' || known.length === 0 ? {} : { help: `known here: ${known.join(', ')}` }),
    };
  });
}

function knownKeys({ parentSchema }: ErrorObject): string[] {
  return Object.keys((parentSchema?.['properties'] as object | undefined) ?? {});
}

function describe({ parentSchema }: ErrorObject): string | undefined {
  const description: unknown = parentSchema?.['description'];
  return typeof description === 'string' ? description.replace(/\.$/, '') : undefined;
}

function help(text: string | undefined): { help?: string } {
  return text === undefined ? {} : { help: text };
}

/** What YAML makes of a value that somebody meant otherwise. */
function hint(value: unknown, path: string): string | undefined {
  if (typeof value === 'number' && path.endsWith('/macaddress'))
    return 'put the address in quotes: YAML reads 02:42:… as a number';
  if (value === null) return "nothing stands behind the colon; '{}' is an empty map";
  if (typeof value === 'boolean' || typeof value === 'number')
    return 'put the value in quotes if a text is meant';
  return undefined;
}

function valueAt(data: unknown, path: string): unknown {
  let value = data;
  for (const part of pointerParts(path)) value = (value as Record<string, unknown> | undefined)?.[part];
  return value;
}

function nameOf(path: string): string {
  const parts = pointerParts(path);
  const last = parts.at(-1) ?? 'the file';
  return /^\d+$/.test(last) ? `item ${Number(last) + 1} of '${parts.at(-2) ?? ''}'` : `'${last}'`;
}

function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? 'nothing');
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object'
    ? 'a map'
    : `the ${typeof value === 'string' ? 'text' : typeof value} ${show(value)}`;
}

function typeName(type: string): string {
  const names: Readonly<Record<string, string>> = {
    string: 'a text',
    integer: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    object: 'a map',
    array: 'a list',
    null: 'empty',
  };
  return names[type] ?? type;
}
