import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadText } from '../../src/loader/load.ts';
import { formatDiagnostics } from '../../src/report/diagnostics.ts';

// One folder for each kind of bad input: input.yaml, and in expected.txt what a person reads.
const folder = new URL('./diagnostics/', import.meta.url).pathname;

for (const name of readdirSync(folder).sort()) {
  test(name, async () => {
    const text = readFileSync(`${folder}${name}/input.yaml`, 'utf8');
    const { topology, diagnostics, texts } = await loadText('input.yaml', text, {
      folder: `${folder}${name}`,
    });
    expect(diagnostics.length).toBeGreaterThan(0);
    expect(topology === undefined).toBe(diagnostics.some(({ severity }) => severity === 'error'));
    const printed = formatDiagnostics(diagnostics, texts, { color: false, columns: 100 });
    await expect(printed).toMatchFileSnapshot(`${folder}${name}/expected.txt`);
  });
}
