import type { Ip } from '../../lib/ip.ts';
import type { NamespaceDraft } from './draft.ts';

type RawRoutes = NamespaceDraft['routes'];

/** Whether the file gives the namespace a default route itself. */
export function hasDefault(routes: RawRoutes, family: 4 | 6): boolean {
  const list = Array.isArray(routes)
    ? routes
    : Object.entries(routes ?? {}).map(([to, settings]) =>
        typeof settings === 'string' ? { to, via: settings } : { to, ...settings },
      );
  return list.some((route) => isDefault(route, family));
}

function isDefault(route: object, family: 4 | 6): boolean {
  const { to, table, via, from, nexthops } = route as {
    readonly to?: string;
    readonly table?: number | string;
    readonly via?: string;
    readonly from?: string;
    readonly nexthops?: readonly { readonly via?: string }[];
  };
  if (table !== undefined && table !== 'main' && table !== 254) return false;
  if (to === '0.0.0.0/0') return family === 4;
  if (to === '::/0') return family === 6;
  if (to !== 'default') return false;
  const address = via ?? from ?? nexthops?.find((hop) => hop.via !== undefined)?.via;
  return (address?.includes(':') === true) === (family === 6);
}

/** The routes with one more, in the form that they have in the file, and what the new one is called there. */
export function withDefault(
  routes: RawRoutes,
  { address, family }: Ip,
): { readonly routes: NonNullable<RawRoutes>; readonly key: string | number } {
  const to = family === 4 ? '0.0.0.0/0' : '::/0';
  if (Array.isArray(routes)) return { routes: [...routes, { to, via: address }], key: routes.length };
  return { routes: { ...routes, [to]: address }, key: to };
}
