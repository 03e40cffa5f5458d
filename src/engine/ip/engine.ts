import type { Engine } from '../engine.ts';
import { perform } from './perform.ts';
import { readPortUse } from './port-use.ts';
import { read } from './read.ts';

/** The reference: whatever `ip`, `bridge` and `nft` can do, at the price of a process for each namespace. */
export const ipEngine: Engine = {
  name: 'ip',
  read,
  readPortUse,
  perform,
  hold: () => {},
  release: () => {},
};
