import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { disciplineNeeds } from '../../src/kinds/discipline-needs.ts';
import { kernelNeeds } from '../../src/kinds/interface.ts';
import { neededKinds, testExample } from '../support/example.ts';
import { engineName, kernelHas } from '../support/host.ts';

const files = readdirSync('topologies')
  .filter((entry) => entry.endsWith('.yaml'))
  .map((name) => `topologies/${name}`);
const kinds = await Promise.all(files.map(neededKinds));

// Loading a module makes devices of its own in the guest's first namespace; all of that is to happen before the first
// look at what was there.
const missing = [...kernelNeeds.keys(), ...disciplineNeeds.keys()].filter((kind) => !kernelHas(kind));
test('the kernel of the guest makes every kind of link', () => {
  expect(missing).toEqual([]);
});

// Every file with a link that some kernels lack; the guest's kernel has them all, so a missing one is a failure here. The
// engine ip starts programs, which takes an emulated machine minutes: it gets one file for each kind (TEST_EMULATED=all: all).
const isEmulated = process.env['TOPOWEAVE_GUEST'] === '1';
const one = isEmulated && engineName === 'ip' && process.env['TEST_EMULATED'] !== 'all';
describe('examples with links of optional kinds', () => {
  const seen = new Set<string>();
  files.forEach((file, index) => {
    const needed = kinds[index] ?? [];
    const isNew = needed.some((kind) => !seen.has(kind));
    for (const kind of needed) seen.add(kind);
    if (one ? isNew : needed.length > 0) testExample(file);
  });
});
