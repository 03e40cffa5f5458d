import type { YamlFile } from './parse-document.ts';
import { QuickSource } from './quick-source.ts';
import { readQuickly } from './quick-yaml.ts';

/** The content of any file, quickly where that is possible. */
export async function readYaml(path: string, text: string): Promise<YamlFile> {
  const quick = readQuickly(text);
  if (quick !== undefined)
    return { source: new QuickSource(path, text, quick), data: quick.data, diagnostics: [] };
  const { readDocument } = await import('./parse-document.ts');
  return readDocument(path, text);
}
