import { readFileSync } from 'node:fs';
import { loadText } from '../../src/loader/load.ts';
import type { Live, LiveNamespace } from '../../src/observe/live.ts';
import type { Topology } from '../../src/topology/model.ts';

/** Documents of a live lab as iproute2 6.1 and nft 1.0.6 printed them (topologies/office.yaml on Linux 6.18). */
export function officeLive(): Live {
  const text = readFileSync(new URL('../fixtures/office-live.json', import.meta.url), 'utf8');
  const namespaces = JSON.parse(text) as (Omit<LiveNamespace, 'sysctls' | 'namespaceIds'> & {
    sysctls: [string, string][];
    namespaceIds: [number, string][];
  })[];
  return {
    namespaces: new Map(
      namespaces.map((namespace) => [
        namespace.name,
        { ...namespace, sysctls: new Map(namespace.sysctls), namespaceIds: new Map(namespace.namespaceIds) },
      ]),
    ),
    stale: [],
  };
}

export function emptyHost(): Live {
  const host = officeLive().namespaces.get('host');
  return { namespaces: new Map(host === undefined ? [] : [['host', host]]), stale: [] };
}

export async function topologyOf(path: string): Promise<Topology> {
  const { topology } = await loadText(path, readFileSync(path, 'utf8'));
  if (topology === undefined) throw new Error(`${path} is not valid`);
  return topology;
}
