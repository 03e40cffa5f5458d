import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { neededKinds, testExample } from '../support/example.ts';
import { kernelHas } from '../support/host.ts';

const files = readdirSync('topologies')
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => `topologies/${name}`);
const missing = new Set(['gre', 'gretap', 'ip6gre', 'ip6gretap', 'vxlan'].filter((kind) => !kernelHas(kind)));

describe('examples', () => {
  for (const file of files) {
    if (!neededKinds(file).some((kind) => missing.has(kind))) testExample(file);
  }

  test('what this kernel lacks is left to the guest tier, by name', () => {
    const left = files.filter((file) => neededKinds(file).some((kind) => missing.has(kind)));
    expect(left.every((file) => neededKinds(file).some((kind) => kind.includes('gre')))).toBe(true);
  });
});
