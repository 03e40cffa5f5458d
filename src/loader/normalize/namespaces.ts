import type { Namespace as RawNamespace, TopologyFile } from '../../generated/topology-file.ts';
import { compareNames } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { noFirewall } from '../../topology/firewall.ts';
import { HOST, type Namespace, type Service } from '../../topology/model.ts';
import type { Context } from './context.ts';
import { readExposed } from './expose.ts';
import { normalizeFirewall } from './firewall.ts';
import { makeServices } from './made-services.ts';
import { type NameBook, normalizeNames } from './names-files.ts';
import { noNat, normalizeNat } from './nat.ts';
import { normalizeNeighbors } from './neighbors.ts';
import type { Network } from './network.ts';
import { normalizeNexthops } from './nexthops.ts';
import { normalizeRoutes } from './routes.ts';
import { normalizeRules } from './routing-policy.ts';
import { checkSharedLogs } from './service-logs.ts';
import { checkServiceOrder, normalizeServices } from './services.ts';
import { normalizeSysctls } from './sysctls.ts';
import { checkTables } from './tables.ts';

export interface DeclaredNamespace {
  readonly name: string;
  readonly raw: NonNullable<RawNamespace>;
  readonly place: Place;
}

/** The map form and the list form of `namespaces`, as one list. */
export function listNamespaces({ namespaces }: TopologyFile): DeclaredNamespace[] {
  if (namespaces === undefined) return [];
  if (Array.isArray(namespaces)) {
    const unique = new Map<string, DeclaredNamespace>();
    for (const [index, name] of namespaces.entries()) {
      const place: Place = { pointer: pointer('namespaces', index), part: 'value' };
      if (!unique.has(name)) unique.set(name, { name, raw: {}, place });
    }
    return [...unique.values()];
  }
  return Object.entries(namespaces).map(([name, raw]) => ({
    name,
    raw: raw ?? {},
    place: { pointer: pointer('namespaces', name), part: 'key' },
  }));
}

/** Every declared namespace, and the machine's own where an interface of the file is in it. */
export function normalizeNamespaces(
  context: Context,
  declared: readonly DeclaredNamespace[],
  { network, book }: { readonly network: Network; readonly book: NameBook },
): Namespace[] {
  readExposed(context, declared);
  const made = makeServices(context, network, book);
  const result = declared.map(({ name, raw, place }): Namespace => {
    // In the list form a namespace has no settings, so nothing has a pointer that begins with this one.
    const base = place.pointer;
    const nexthops = normalizeNexthops(context, {
      namespace: name,
      base: `${base}/nexthops`,
      raw: raw.nexthops,
      network,
    });
    const names = normalizeNames(context, { namespace: name, raw, base, place, network, book });
    const expose = context.exposed.get(name) ?? [];
    const services = normalizeServices(context, {
      namespace: name,
      base: `${base}/services`,
      raw: raw.services,
      made: made.get(name) ?? [],
    });
    return {
      name,
      place,
      forwarding: expandForwarding(raw.forwarding, `${base}/forwarding`),
      sysctls: normalizeSysctls(context, `${base}/sysctls`, raw.sysctls),
      routes: normalizeRoutes(context, {
        namespace: name,
        base: `${base}/routes`,
        raw: raw.routes ?? [],
        network,
        nexthops,
      }),
      rules: normalizeRules(context, name, `${base}/routing-policy`, raw['routing-policy']),
      nexthops,
      neighbors: normalizeNeighbors(context, {
        namespace: name,
        base: `${base}/neighbors`,
        raw: raw.neighbors,
        network,
      }),
      nat: normalizeNat(context, { namespace: name, base: `${base}/nat`, raw: raw.nat, network }),
      firewall: normalizeFirewall(context, `${base}/firewall`, raw.firewall),
      ...(expose.length === 0 ? {} : { expose }),
      ...(raw.aliases === undefined || raw.aliases.length === 0 ? {} : { aliases: raw.aliases }),
      ...(names === undefined ? {} : { names }),
      ...(services.length === 0 ? {} : { services }),
    };
  });
  checkTables(context);
  const [implied] = network.interfacesOf(HOST);
  if (implied !== undefined && !context.declared.has(HOST))
    result.push({ ...emptyNamespace(HOST, implied.place), ...servicesOf(made.get(HOST)) });
  checkServiceOrder(context, result);
  checkSharedLogs(context, result);
  return result.sort((a, b) => compareNames(a.name, b.name));
}

function servicesOf(services: readonly Service[] | undefined): Pick<Namespace, 'services'> {
  return services === undefined ? {} : { services };
}

function emptyNamespace(name: string, place: Place): Namespace {
  return {
    name,
    place,
    forwarding: undefined,
    sysctls: [],
    routes: [],
    rules: [],
    nexthops: [],
    neighbors: [],
    nat: noNat,
    firewall: noFirewall,
  };
}

/** A list names the families that are on; the others are not touched. */
function expandForwarding(raw: NonNullable<RawNamespace>['forwarding'], at: string): Namespace['forwarding'] {
  if (raw === undefined) return undefined;
  const place: Place = { pointer: at, part: 'value' };
  if (typeof raw === 'boolean') return { ipv4: raw, ipv6: raw, place };
  if (raw.length === 0) return undefined;
  return {
    ...(raw.includes('ipv4') ? { ipv4: true } : {}),
    ...(raw.includes('ipv6') ? { ipv6: true } : {}),
    place,
  };
}
