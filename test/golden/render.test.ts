import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadText } from '../../src/loader/load.ts';
import { longForm } from '../../src/loader/long-form.ts';
import { stringifyYaml } from '../../src/loader/stringify.ts';

// One folder for each part of the language that has a long form of its own: input.yaml, and what `render` makes of it.
const folder = new URL('./render/', import.meta.url).pathname;

async function render(text: string): Promise<string> {
  const { topology, diagnostics } = await loadText('input.yaml', text);
  if (topology === undefined) throw new Error(diagnostics.map(({ message }) => message).join('\n'));
  return stringifyYaml(longForm(topology));
}

for (const name of readdirSync(folder).sort()) {
  test(name, async () => {
    const rendered = await render(readFileSync(`${folder}${name}/input.yaml`, 'utf8'));
    await expect(rendered).toMatchFileSnapshot(`${folder}${name}/expected.yaml`);
    expect(await render(rendered)).toBe(rendered);
  });
}
