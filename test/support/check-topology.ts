import type { Place } from '../../src/lib/diagnostic.ts';
import { noFirewall } from '../../src/topology/firewall.ts';
import type { Check, Interface, Namespace, Publish, Topology } from '../../src/topology/model.ts';

export const place: Place = { pointer: '', part: 'value' };

type Publishing = Partial<Publish> & Pick<Publish, 'port' | 'to' | 'toPort'>;

/** A topology of which only what the checks read is filled in: addresses, published ports and the checks themselves. */
export function checkTopology(options: {
  addresses: Readonly<Record<string, readonly string[]>>;
  publish?: Readonly<Record<string, readonly Publishing[]>>;
  checks?: readonly Check[];
}): Topology {
  const names = Object.keys(options.addresses).sort();
  return {
    name: 'lab',
    namespaces: names.map((name) => namespaceOf(name, options.publish?.[name] ?? [])),
    interfaces: names.map((name) => loopbackOf(name, options.addresses[name] ?? [])),
    impairments: [],
    checks: options.checks ?? [],
  };
}

export function checkOf(check: Partial<Check> & Pick<Check, 'kind' | 'from' | 'address'>): Check {
  return {
    name: `${check.kind} ${check.from} -> ${check.address}`,
    to: check.address,
    port: undefined,
    expect: 'reachable',
    within: 5000,
    count: 1,
    size: undefined,
    mayListen: true,
    place,
    ...check,
  };
}

function namespaceOf(name: string, publish: readonly Publishing[]): Namespace {
  return {
    name,
    place,
    forwarding: undefined,
    sysctls: [],
    routes: [],
    rules: [],
    nexthops: [],
    neighbors: [],
    nat: {
      masquerade: [],
      snat: [],
      publish: publish.map((one) => ({
        protocol: 'tcp',
        address: undefined,
        isChosen: false,
        place,
        ...one,
      })),
    },
    firewall: noFirewall,
  };
}

function loopbackOf(namespace: string, addresses: readonly string[]): Interface {
  return {
    kind: 'loopback',
    namespace,
    name: 'lo',
    addresses: addresses.map((address) => ({
      address,
      prefixLength: address.includes(':') ? 64 : 24,
      family: address.includes(':') ? 6 : 4,
      place,
    })),
    mtu: undefined,
    mtuPlace: undefined,
    macaddress: undefined,
    state: 'up',
    alias: undefined,
    master: undefined,
    place,
  };
}
