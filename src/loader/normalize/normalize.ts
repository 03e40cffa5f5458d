import type { TopologyFile } from '../../generated/topology-file.ts';
import { compareNames } from '../../lib/collections.ts';
import type { Topology } from '../../topology/model.ts';
import { collectImpairments, settleImpairments } from '../impairments/normalize.ts';
import { finishBridges } from './bridge-vlans.ts';
import { normalizeBridges } from './bridges.ts';
import { normalizeChecks } from './checks.ts';
import { createContext } from './context.ts';
import { checkDeviceLinks, normalizeDevices } from './devices.ts';
import { createHostNames } from './host-names.ts';
import { normalizeLinks } from './links.ts';
import { normalizeMembers } from './members.ts';
import { deriveMtus } from './mtu.ts';
import { createNameBook } from './names-files.ts';
import { listNamespaces, normalizeNamespaces } from './namespaces.ts';
import { createNetwork, type Network } from './network.ts';
import { normalizeOvsMembers } from './ovs-members.ts';
import type { Report } from './problem.ts';
import { normalizeTunnels } from './tunnels.ts';

/**
 * Expands every short form of a valid file and derives what the file leaves to rules. What cannot be expanded is
 * reported and left out, so that the rest is still examined.
 */
export function normalize(data: TopologyFile, report: Report): { topology: Topology; network: Network } {
  const declared = listNamespaces(data);
  const context = createContext(data, new Map(declared.map(({ name, place }) => [name, place])), report);
  normalizeDevices(context, declared);
  normalizeLinks(context);
  normalizeTunnels(context);
  normalizeBridges(context);
  normalizeMembers(context, declared);
  normalizeOvsMembers(context);
  finishBridges(context);
  checkDeviceLinks(context);
  const impairments = collectImpairments(context);
  const interfaces = [...context.entries.values()]
    .map(({ item }) => item)
    .sort((a, b) => compareNames(a.namespace, b.namespace) || compareNames(a.name, b.name));
  const network = createNetwork(interfaces);
  deriveMtus(context, network);
  const book = createNameBook(context, declared);
  const namespaces = normalizeNamespaces(context, declared, { network, book });
  const names = createHostNames({ book, namespaces, network });
  const topology: Topology = {
    name: data.name,
    namespaces,
    interfaces,
    impairments: settleImpairments(context, impairments),
    checks: normalizeChecks(context, { network, names }),
  };
  return { topology, network };
}
