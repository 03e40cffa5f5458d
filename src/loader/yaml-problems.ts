import type { Document, YAMLError } from 'yaml';
import type { Diagnostic, Location } from '../lib/diagnostic.ts';
import { brokenMerges, type DocumentSource, repeatedKeys, resolveAliases } from './document-source.ts';

/** What the YAML package refuses, and keys that are there twice. */
export function yamlProblems(document: Document, source: DocumentSource): Diagnostic[] {
  const broken = document.errors.map(({ code, pos, message }) => {
    const [, bracket] = /must be sufficiently indented and end with a (\S)/.exec(message) ?? [];
    const text = bracket === undefined ? yamlTexts[code] : { message: `'${bracket}' is missing before this` };
    return yamlProblem(source.range(...pos), { message, ...text });
  });
  const repeated = repeatedKeys(document).map(({ name, first, again }): Diagnostic => {
    const related = [{ message: 'first defined here', location: source.range(...first) }];
    const message = `key '${name}' is already there`;
    return { severity: 'error', code: 'duplicate-key', message, location: source.range(...again), related };
  });
  return [...broken, ...repeated];
}

interface YamlText {
  readonly message?: string;
  readonly help?: string;
}

/** What the package's own words leave open. */
const yamlTexts: Partial<Record<YAMLError['code'], YamlText>> = {
  TAB_AS_INDENT: { message: 'a tab is used for indentation', help: 'YAML takes only spaces there' },
  BAD_INDENT: { help: 'the entries of one map or list begin in the same column' },
  BLOCK_AS_IMPLICIT_KEY: {
    message: 'a second key on the same line',
    help: "a value with ': ' in it needs quotes; the keys of a nested map begin on a line of their own",
  },
  BLOCK_IN_FLOW: { help: 'within {…} and […] all is written in that form, with commas' },
  MULTILINE_IMPLICIT_KEY: {
    message: 'a key goes on over several lines',
    help: "a ':' is missing behind the key, or the line is indented by mistake",
  },
  MULTIPLE_DOCS: {
    message: 'a second document begins here',
    help: "a topology file has one document: remove the '---'",
  },
  BAD_SCALAR_START: { help: 'put the value in quotes' },
};

/** One problem of the form of the file; a message of the package loses its capital and its full stop. */
export function yamlProblem(
  location: Location,
  { message = '', help, severity = 'error' }: YamlText & { severity?: Diagnostic['severity'] },
): Diagnostic {
  const line = lowerFirst(message.split('\n')[0] ?? '').replace(/\.$/, '');
  return { severity, code: 'yaml', message: line, location, ...(help ? { help } : {}) };
}

/** Aliases without an anchor, anchors inside themselves, and merges of what is no map. */
export function aliasProblems(document: Document, source: DocumentSource): Diagnostic[] {
  if (!source.text.includes('*') && !source.text.includes('<<')) return [];
  const aliases = resolveAliases(document);
  const wrong = [...aliases].flatMap(([alias, { target, isCircular }]) => {
    const [start, end] = alias.range ?? [0, 0];
    const name = `anchor '&${alias.source}'`;
    const message = target === undefined ? `no ${name} stands before this alias` : `${name} contains itself`;
    return target === undefined || isCircular ? [yamlProblem(source.range(start, end), { message })] : [];
  });
  if (wrong.length > 0) return wrong;
  const message = "'<<' takes a map or a list of maps";
  return brokenMerges(document, aliases).map((offsets) => yamlProblem(source.range(...offsets), { message }));
}

export function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
