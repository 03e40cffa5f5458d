import type { Namespace as RawNamespace } from '../../generated/topology-file.ts';
import { append, compareNames } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { parseIp } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import { HOST, type KnownHost, type Names, type Nameservers } from '../../topology/model.ts';
import { suggest } from '../suggest.ts';
import type { Context } from './context.ts';
import { listNames } from './names.ts';
import type { DeclaredNamespace } from './namespaces.ts';
import type { Network } from './network.ts';
import { expandIp } from './settings.ts';
import { addressesOfNamespace, isKnownAlike } from './targets.ts';

/** HOST_NAME_MAX of linux/limits.h. */
const LONGEST_HOSTNAME = 64;

/** hosts(5) and resolv.conf(5): letters, digits, dashes and dots; underscores are in use as well. */
const nameForm = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;

/** The names of the lab: what each namespace is called by the others. */
export interface NameBook {
  readonly namesOf: (namespace: string) => readonly string[];
  /** The one namespace that has a name. */
  readonly ownerOf: (name: string) => string | undefined;
  readonly names: () => readonly string[];
  /** Those that others may ask for, the machine's own left out. */
  readonly namespaces: readonly string[];
}

/** Collects all names and aliases; one that two namespaces have is an error. */
export function createNameBook(context: Context, declared: readonly DeclaredNamespace[]): NameBook {
  const names = new Map<string, string[]>();
  const owners = new Map<string, { readonly namespace: string; readonly place: Place }>();
  const add = (namespace: string, name: string, place: Place): void => {
    const earlier = owners.get(name);
    if (earlier === undefined) {
      owners.set(name, { namespace, place });
      append(names, namespace, name);
    } else if (earlier.namespace !== namespace) {
      context.report({
        code: 'name-twice',
        message: `'${name}' is a name of ${earlier.namespace} already`,
        place,
        related: [{ message: 'it has the name here', place: earlier.place }],
      });
    }
  };
  const others = declared.filter(({ name }) => name !== HOST);
  for (const { name, place } of others) if (nameForm.test(name)) add(name, name, place);
  for (const { name, raw, place } of others) {
    for (const [index, alias] of (raw.aliases ?? []).entries()) {
      const at: Place = { pointer: `${place.pointer}/aliases/${index}`, part: 'value' };
      if (checkName(context, alias, at)) add(name, alias, at);
    }
  }
  for (const { name, raw, place } of others) {
    if (raw.hostname === undefined) continue;
    const at: Place = { pointer: `${place.pointer}/hostname`, part: 'value' };
    if (!checkName(context, raw.hostname, at)) continue;
    // Its short form stands beside the whole name, where nobody else has it.
    const [short = ''] = raw.hostname.split('.');
    add(name, raw.hostname, at);
    if (!owners.has(short)) add(name, short, at);
  }
  return {
    namesOf: (namespace) => names.get(namespace) ?? [],
    ownerOf: (name) => owners.get(name)?.namespace,
    names: () => [...owners.keys()],
    namespaces: others.map(({ name }) => name).sort(compareNames),
  };
}

interface NamesRequest {
  readonly namespace: string;
  readonly raw: NonNullable<RawNamespace>;
  /** The pointer of the namespace. */
  readonly base: string;
  readonly place: Place;
  readonly network: Network;
  readonly book: NameBook;
}

/** What a namespace's own files below /etc say; undefined where it has none. */
export function normalizeNames(context: Context, request: NamesRequest): Names | undefined {
  const { namespace, raw, base, place } = request;
  const given = (['hostname', 'hosts', 'nameservers', 'aliases'] as const).find(
    (key) => raw[key] !== undefined,
  );
  if (namespace === HOST) {
    if (given !== undefined)
      context.report({
        code: 'names-of-host',
        message: `the machine's own names are not topoweave's: host cannot have ${given}`,
        place: { pointer: `${base}/${given}`, part: 'key' },
      });
    return undefined;
  }
  const hasOwn = (raw.hostname ?? raw.hosts ?? raw.nameservers) !== undefined;
  if (!hasOwn && context.defaults.hosts !== true) return undefined;
  const hosts = Object.entries(raw.hosts ?? {}).map(([name, to]) => ({
    name,
    to: typeof to === 'string' ? [to] : to,
  }));
  const own = hosts.flatMap(({ name, to }) => ownEntries(context, request, { name, to }));
  return {
    hostname: raw.hostname,
    hosts,
    known: knownHosts(request, own),
    nameservers: normalizeNameservers(context, raw.nameservers, `${base}/nameservers`),
    place: given === undefined ? place : { pointer: `${base}/${given}`, part: 'key' },
  };
}

/** The namespace itself, what its own entries say, then the others: the first line with a name wins. */
function knownHosts({ namespace, network, book }: NamesRequest, own: readonly KnownHost[]): KnownHost[] {
  const self = entriesOf(network, book, namespace, namespace);
  const names = book.namesOf(namespace);
  const known = self.length > 0 || names.length === 0 ? [...self] : [{ address: NO_ADDRESS, names }];
  known.push(...own);
  for (const name of book.namespaces)
    if (name !== namespace) known.push(...entriesOf(network, book, name, namespace));
  return known;
}

/** Debian's own address for a machine that has none (hosts(5)). */
const NO_ADDRESS = '127.0.1.1';

/**
 * The entries of namespaces that all others know by the same addresses, as nearly all are. Each of thousands has those of
 * all others, so they are made once.
 */
const shared = new WeakMap<Network, Map<string, readonly KnownHost[] | undefined>>();

/** How one namespace is known to another. */
function entriesOf(network: Network, book: NameBook, name: string, from: string): readonly KnownHost[] {
  const alike = shared.get(network) ?? new Map<string, readonly KnownHost[] | undefined>();
  shared.set(network, alike);
  const known = alike.get(name);
  if (known !== undefined) return known;
  const names = book.namesOf(name);
  const made =
    names.length === 0
      ? []
      : addressesOfNamespace(network, name, from).map((address) => ({ address, names }));
  if (!alike.has(name)) alike.set(name, isKnownAlike(network, name) ? made : undefined);
  return made;
}

function ownEntries(
  context: Context,
  { namespace, base, network }: NamesRequest,
  { name, to }: { readonly name: string; readonly to: readonly string[] },
): KnownHost[] {
  const at = `${base}/hosts${pointer(name)}`;
  if (!checkName(context, name, { pointer: at, part: 'key' })) return [];
  return to.flatMap((text) => {
    const place: Place = { pointer: at, part: 'value' };
    const ip = parseIp(text);
    if (ip !== undefined) return [{ address: ip.address, names: [name] }];
    if (text !== HOST && !context.declared.has(text)) {
      const all = [...context.declared.keys()];
      const nearest = suggest(text, all);
      context.report({
        code: 'hosts',
        message: `'${text}' is neither an address nor a namespace; declared are ${listNames(all)}`,
        place,
        ...(nearest === undefined ? {} : { help: `did you mean '${nearest}'?` }),
      });
      return [];
    }
    const addresses = addressesOfNamespace(network, text, namespace);
    if (addresses.length === 0)
      context.report({ code: 'hosts', message: `namespace ${text} has no address`, place });
    return addresses.map((address) => ({ address, names: [name] }));
  });
}

function normalizeNameservers(
  context: Context,
  raw: NonNullable<RawNamespace>['nameservers'],
  base: string,
): Nameservers | undefined {
  if (raw === undefined) return undefined;
  const addresses = (raw.addresses ?? []).flatMap((text, index) => {
    const place: Place = { pointer: `${base}/addresses/${index}`, part: 'value' };
    return expandIp(text, place, context.report) ?? [];
  });
  const search = (raw.search ?? []).filter((domain, index) =>
    checkName(context, domain, { pointer: `${base}/search/${index}`, part: 'value' }),
  );
  // MAXNS of resolv.h: the C library does not ask more.
  if (addresses.length > 3)
    context.report({
      severity: 'warning',
      code: 'nameservers',
      message: `the C library asks the first three of ${addresses.length} name servers`,
      place: { pointer: `${base}/addresses/3`, part: 'value' },
    });
  return { addresses, search, options: raw.options ?? [], place: { pointer: base, part: 'key' } };
}

function checkName({ report }: Context, name: string, place: Place): boolean {
  if (nameForm.test(name) && name.length <= LONGEST_HOSTNAME) return true;
  const message =
    name.length > LONGEST_HOSTNAME
      ? `'${name}' has ${name.length} characters; a host's name has at most ${LONGEST_HOSTNAME}`
      : `'${name}' is not a host's name: letters, digits, dashes and dots`;
  report({ code: 'host-name', message, place });
  return false;
}
