import { readdirSync } from 'node:fs';
import { describe } from 'vitest';
import { neededKinds, testExample } from '../support/example.ts';

// Everything with a GRE tunnel; the guest's kernel has the kinds, so a missing one is a failure here.
describe('examples with tunnels', () => {
  for (const name of readdirSync('topologies').filter((entry) => entry.endsWith('.yaml'))) {
    if (neededKinds(`topologies/${name}`).some((kind) => kind.includes('gre')))
      testExample(`topologies/${name}`);
  }
});
