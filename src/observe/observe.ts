import type { Engine, ReadRequest } from '../engine/engine.ts';
import { listNamespaces } from '../system/netns.ts';
import { HOST } from '../topology/model.ts';
import type { Live } from './live.ts';

/** Reads the live state of every named namespace and of the host. */
export async function observe(engine: Engine, request: ReadRequest): Promise<Live> {
  const { names, stale } = listNamespaces();
  return { namespaces: await engine.read([HOST, ...names], request), stale };
}

/** The namespaces with their links, for lists of labs; nothing that belongs to one lab alone. */
export function observeMarks(engine: Engine): Promise<Live> {
  return observe(engine, { lab: undefined, nat: new Set(), sysctls: new Map() });
}
