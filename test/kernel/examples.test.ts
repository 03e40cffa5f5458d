import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { disciplineNeeds } from '../../src/kinds/discipline-needs.ts';
import { kernelNeeds } from '../../src/kinds/interface.ts';
import { hasUsers, neededKinds, needsUsers, testExample } from '../support/example.ts';
import { kernelHas } from '../support/host.ts';
import { hasOvsModule, OVS_MODULE } from '../support/ovs.ts';

const files = readdirSync('topologies')
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => `topologies/${name}`);
const missing = new Set<string>(
  [...kernelNeeds.keys(), ...disciplineNeeds.keys()].filter((kind) => !kernelHas(kind)),
);
if (!hasOvsModule()) missing.add(OVS_MODULE);
const lacking = await Promise.all(
  files.map(async (file) => (await neededKinds(file)).filter((kind) => missing.has(kind))),
);
const hasOthers = await Promise.all(files.map(needsUsers));

describe('examples', () => {
  files.forEach((file, index) => {
    if (lacking[index]?.length === 0 && (hasUsers || !hasOthers[index])) testExample(file);
  });

  test('what this kernel lacks is left to the guest tier, by name', () => {
    const left = files.filter((_, index) => (lacking[index]?.length ?? 0) > 0);
    process.stdout.write(`left to the guest tier: ${left.join(' ') || 'nothing'}\n`);
    expect(left.length).toBeLessThan(files.length);
  });
});
