import { type PublishedPorts, publishedText, readPublished, targetText } from '../kinds/publish.ts';
import type { PortRange } from '../topology/model.ts';
import type { Live } from './live.ts';

/** Published ports of a lab, as the kernel has them. */
export interface ListedPorts {
  readonly lab: string;
  /** The one that publishes. */
  readonly namespace: string;
  readonly protocol: string;
  /** `0.0.0.0` and `::` for every address of a family. */
  readonly address: string;
  readonly ports: PortRange;
  readonly to: string;
  readonly toPorts: PortRange;
  /** The namespace that they lead to; null where no namespace of the lab has that address. */
  readonly target: string | null;
  /** `0.0.0.0:8080` and `10.0.0.3:80`. */
  readonly text: { readonly published: string; readonly target: string };
}

/** By namespace, then as `nft` has them: by family, protocol, address and port. */
export function listPorts(live: Live, lab: string): ListedPorts[] {
  const owners = addressOwners(live, lab);
  return [...live.namespaces.values()].flatMap((namespace) =>
    readPublished(namespace).map((ports) => listed(lab, namespace.name, ports, owners)),
  );
}

function listed(
  lab: string,
  namespace: string,
  published: PublishedPorts,
  owners: ReadonlyMap<string, string>,
): ListedPorts {
  const { protocol, family, address, port, to, toPort } = published;
  return {
    lab,
    namespace,
    protocol,
    address: address ?? (family === 4 ? '0.0.0.0' : '::'),
    ports: port,
    to,
    toPorts: toPort,
    target: owners.get(to) ?? null,
    text: { published: publishedText(published), target: targetText(published) },
  };
}

function addressOwners({ namespaces }: Live, lab: string): Map<string, string> {
  const owners = new Map<string, string>();
  for (const { name, mark, links } of namespaces.values()) {
    if (name !== 'host' && mark?.lab !== lab) continue;
    for (const { addr_info: addresses = [] } of links)
      for (const { local } of addresses) owners.set(local, name);
  }
  return owners;
}
