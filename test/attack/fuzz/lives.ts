import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Live, LiveNamespace } from '../../../src/observe/live.ts';

type Recorded = Omit<LiveNamespace, 'sysctls' | 'namespaceIds'> & {
  readonly sysctls: [string, string][];
  readonly namespaceIds: [number, string][];
};

/** Two kernels without a machine: an empty one, and one that a lab was recorded on. */
export function readLives(root: string): Live[] {
  const text = readFileSync(join(root, 'test/fixtures/office-live.json'), 'utf8');
  const all = (JSON.parse(text) as Recorded[]).map((recorded): [string, LiveNamespace] => [
    recorded.name,
    { ...recorded, sysctls: new Map(recorded.sysctls), namespaceIds: new Map(recorded.namespaceIds) },
  ]);
  return [
    { namespaces: new Map(all.filter(([name]) => name === 'host')), stale: [] },
    { namespaces: new Map(all), stale: [] },
  ];
}
