import type { Topology } from '../topology/model.ts';
import { macRule } from './devices/rules.ts';
import { longChecks } from './long-form/checks.ts';
import { addImpairments } from './long-form/impairments.ts';
import { longBridges, longLinks } from './long-form/interfaces.ts';
import { withoutLargerMtus } from './long-form/mtus.ts';
import { longNamespaces } from './long-form/namespaces.ts';
import { longTunnels } from './long-form/tunnels.ts';
import { isDevice } from './normalize/devices.ts';
import { isIpTunnel } from './normalize/underlay.ts';

/**
 * A topology as a plain document in long form, keys in the order of the documentation. It is itself a valid topology
 * file and loads to an equal topology, places aside.
 */
export function longForm(all: Topology): object {
  const interfaces = withoutLargerMtus(all.interfaces);
  const topology = { ...all, interfaces };
  const { name, checks } = topology;
  const document = {
    name,
    defaults: longDefaults(topology),
    namespaces: longNamespaces(topology),
    bridges: longBridges(interfaces),
    links: longLinks(interfaces),
    tunnels: longTunnels(interfaces),
    checks: longChecks(checks),
  };
  addImpairments(document as unknown as Record<string, object>, topology);
  return compact(document);
}

/** Every other default stands at its interface; that the kernel chooses MAC addresses can only be said here. */
function longDefaults({ interfaces }: Topology): object {
  const bonds = new Set(
    interfaces.filter(({ kind }) => kind === 'bond').map(({ namespace, name }) => `${namespace}/${name}`),
  );
  const hasRandom = interfaces.some((item) => {
    const { kind, macaddress, namespace, master } = item;
    // A bond gives its own to its members.
    if (macaddress !== undefined || bonds.has(`${namespace}/${master}`)) return false;
    if (isDevice(item)) return macRule(item) === 'derived';
    return !isIpTunnel(kind) && kind !== 'loopback' && kind !== 'adopted';
  });
  return hasRandom ? { macaddress: 'random' } : {};
}

function compact(document: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(
    Object.entries(document).filter(
      ([, value]) => typeof value !== 'object' || value === null || Object.keys(value).length > 0,
    ),
  );
}
