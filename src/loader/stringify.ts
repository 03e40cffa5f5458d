import { stringify } from 'yaml';

/** A plain document as YAML text; kept apart so that only commands that print YAML load the writer. */
export function stringifyYaml(document: object): string {
  return stringify(document, { lineWidth: 110, indentSeq: true });
}
