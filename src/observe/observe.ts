import type { Engine, ReadRequest } from '../engine/engine.ts';
import { kernelName } from '../lib/interface-name.ts';
import { readEtcFiles } from '../system/etc-files.ts';
import { type ListedNamespaces, listNamespaces, namespaceType } from '../system/netns.ts';
import { run } from '../system/run.ts';
import { readServices } from '../system/services/record.ts';
import { HOST } from '../topology/model.ts';
import type { Live, LiveNamespace } from './live.ts';
import { type Renames, renameSysctl, withLongNames } from './names.ts';
import { addOvs } from './ovs.ts';
import { disown, withKnownMarks, withoutForgedLinks } from './ownership.ts';

/** Reads the live state of every named namespace and of the host. */
export async function observe(engine: Engine, request: ReadRequest): Promise<Live> {
  const listed = listNamespaces();
  const namespaces = await engine.read([HOST, ...listed.names], asKernel(request));
  const { stale } = withUnread(listed, namespaces);
  const found = { ...(await addOvs(namespaces, request.ovs === true)), stale };
  return {
    ...named(withOwnMarks(withoutLinks(found, listed), request), request),
    ...readFiles(request),
    ...(await readChains(request)),
  };
}

/**
 * What looked like a namespace and could not be entered is of another type, or no namespace any more; or it is gone, and
 * then nobody misses it.
 */
function withUnread(listed: ListedNamespaces, read: Live['namespaces']): Pick<Live, 'stale'> {
  const unread = listed.names.filter((name) => !read.has(name));
  if (unread.length === 0) return listed;
  const now = listNamespaces();
  const others = unread.flatMap((name) => {
    const type = now.names.includes(name) ? namespaceType(name) : undefined;
    return type === undefined || type === 'net'
      ? now.stale.filter((file) => file.name === name)
      : [{ name, empty: false, what: `a namespace of another type (${type})` }];
  });
  return { stale: [...listed.stale, ...others] };
}

/** Only those marks that others could not have written. */
function withOwnMarks(live: Live, request: ReadRequest): Live {
  return withoutForgedLinks(withKnownMarks(live, request), request);
}

/** A symbolic link is somebody's other name for a namespace: whatever is marked in there, the name is not a lab's. */
function withoutLinks(live: Live, { links }: ListedNamespaces): Live {
  if (links.size === 0) return live;
  const namespaces = new Map(live.namespaces);
  for (const name of links) {
    const namespace = namespaces.get(name);
    if (namespace !== undefined) namespaces.set(name, disown(namespace, 'a symbolic link'));
  }
  return { ...live, namespaces };
}

/** What is no document of the kernel's: files, and what the records say of processes. */
function readFiles({ lab }: ReadRequest): Pick<Live, 'etc' | 'services'> {
  return { etc: readEtcFiles(), services: readServices(lab) };
}

/** Chains of others, only where the lab has rules in them. */
async function readChains({ dockerUser }: ReadRequest): Promise<Pick<Live, 'dockerUser'>> {
  if (dockerUser !== true) return {};
  const { readDockerUser } = await import('./docker-user.ts');
  return { dockerUser: await readDockerUser(run) };
}

/** Reads every namespace but those that are known, which are taken over as they were. */
export async function observeAgain(engine: Engine, request: ReadRequest, known: Live): Promise<Live> {
  const listed = listNamespaces((name) => known.namespaces.has(name));
  const all = [HOST, ...listed.names];
  const again = all.filter((name) => !known.namespaces.has(name));
  const found = await engine.read(again, asKernel(request));
  const { stale } = withUnread({ ...listed, names: again.filter((name) => name !== HOST) }, found);
  const { namespaces: read } = named(
    withOwnMarks(withoutLinks({ namespaces: found, stale }, listed), request),
    request,
  );
  const namespaces = new Map<string, LiveNamespace>();
  for (const name of all) {
    const namespace = read.get(name) ?? known.namespaces.get(name);
    if (namespace !== undefined) namespaces.set(name, namespace);
  }
  return {
    ...(await addOvs(namespaces, request.ovs === true)),
    stale,
    ...readFiles(request),
    ...(await readChains(request)),
  };
}

const none: Renames = new Map();

function named(live: Live, { longNames = none }: ReadRequest): Live {
  return withLongNames(live, longNames);
}

/** Parameters of an interface are asked for by the name that the kernel knows. */
function asKernel(request: ReadRequest): ReadRequest {
  if (request.longNames === undefined) return request;
  const sysctls = [...request.sysctls].map(
    ([namespace, names]) => [namespace, names.map((name) => renameSysctl(name, kernelName))] as const,
  );
  return { ...request, sysctls: new Map(sysctls) };
}

/** The namespaces with their links, for lists of labs; nothing that belongs to one lab alone. */
export function observeMarks(engine: Engine): Promise<Live> {
  return observe(engine, { lab: undefined, nat: new Set(), sysctls: new Map() });
}
