import type { Neighbor as RawNeighbor } from '../../generated/topology-file.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { isMulticast, parseIp } from '../../lib/ip.ts';
import { HOST, type Neighbor } from '../../topology/model.ts';
import { suggest } from '../suggest.ts';
import type { Context } from './context.ts';
import { listNames } from './names.ts';
import type { Network } from './network.ts';
import { expandIp, expandMac } from './settings.ts';

interface Neighbors {
  readonly namespace: string;
  readonly base: string;
  readonly raw: readonly RawNeighbor[] | undefined;
  readonly network: Network;
}

const none: Neighbor[] = [];

/** The permanent neighbours of one namespace, each with its interface. */
export function normalizeNeighbors(
  context: Context,
  { namespace, base, raw = [], network }: Neighbors,
): Neighbor[] {
  if (raw.length === 0) return none;
  const found = new Map<string, Neighbor>();
  for (const [index, entry] of raw.entries()) {
    const at = `${base}/${index}`;
    const neighbor = expandNeighbor(context, { namespace, base: at, raw: entry, network });
    if (neighbor === undefined) continue;
    const { to, dev, macaddress, place } = neighbor;
    const key = `${to} ${dev} ${macaddress === undefined}`;
    const earlier = found.get(key);
    found.set(key, earlier ?? neighbor);
    if (earlier === undefined) continue;
    context.report({
      code: 'neighbor',
      message: `${namespace} has an entry for ${to} on ${dev} already`,
      place,
      related: [{ message: 'the other one is here', place: earlier.place }],
    });
  }
  return [...found.values()];
}

interface Entry {
  readonly namespace: string;
  readonly base: string;
  readonly raw: RawNeighbor;
  readonly network: Network;
}

function expandNeighbor(context: Context, { namespace, base, raw, network }: Entry): Neighbor | undefined {
  const place: Place = { pointer: base, part: 'value' };
  const at = (key: string): Place => ({ pointer: `${base}/${key}`, part: 'value' });
  const fail = (message: string, where: Place, help?: string) =>
    context.report({ code: 'neighbor', message, place: where, ...(help === undefined ? {} : { help }) });
  const { proxy = false } = raw;
  const to = expandIp(raw.to, at('to'), context.report);
  const ip = to === undefined ? undefined : parseIp(to);
  if (to === undefined || ip === undefined) return undefined;
  if (isMulticast(ip) || ip.value === 0n) fail(`${to} is the address of no single neighbour`, at('to'));
  if (proxy && raw.macaddress !== undefined)
    fail('a proxy entry answers with the own MAC address; leave macaddress out', at('macaddress'));
  if (!proxy && raw.macaddress === undefined)
    fail(`the MAC address of ${to} is missing; add macaddress, or proxy: true to answer for it`, place);
  const macaddress =
    raw.macaddress === undefined || proxy
      ? undefined
      : expandMac(raw.macaddress, `${base}/macaddress`, context.report);
  if (!proxy && macaddress === undefined) return undefined;
  const dev = raw.dev ?? (proxy ? undefined : network.subnetsWith(namespace, ip)[0]?.item.name);
  if (dev === undefined) {
    const message = proxy
      ? `a proxy entry is for one interface; add dev: where ${to} is asked for`
      : `${to} is on none of ${namespace}'s subnets; add dev`;
    fail(message, place);
    return undefined;
  }
  if (raw.dev !== undefined && namespace !== HOST && network.interfaceOf(namespace, dev) === undefined) {
    const names = network.interfacesOf(namespace).map((item) => item.name);
    const nearest = suggest(dev, names);
    fail(
      `'${dev}' is not an interface of ${namespace}; it has ${listNames(names) || 'none'}`,
      at('dev'),
      nearest && `did you mean '${nearest}'?`,
    );
  }
  return { to, family: ip.family, dev, macaddress, place };
}
