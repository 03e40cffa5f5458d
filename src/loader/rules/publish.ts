import { parseCidr, parseIp } from '../../lib/ip.ts';
import { HOST, isNumbered, type Namespace, type NumberedPublish } from '../../topology/model.ts';
import type { Report } from '../normalize/problem.ts';
import { SubnetTable } from '../normalize/subnet-table.ts';
import type { Subject } from './rules.ts';

/** A port leads to one target: the second one with the same protocol, address and port would never be asked. */
export function checkPublishedPorts({ topology }: Subject, report: Report): void {
  for (const { nat } of topology.namespaces) {
    if (nat.publish.length === 0) continue;
    const groups = new Map<string, NumberedPublish[]>();
    for (const publish of nat.publish) {
      // One that is chosen is chosen so that it is free.
      if (!isNumbered(publish)) continue;
      const key = `${publish.protocol} ${publish.to.includes(':')}`;
      const group = groups.get(key) ?? [];
      groups.set(key, group);
      group.push(publish);
    }
    for (const group of groups.values()) checkGroup(group, report);
  }
}

/** By first port, one overlaps an earlier one when that one reaches as far: of those, the farthest is enough. */
function checkGroup(group: readonly NumberedPublish[], report: Report): void {
  const sorted = [...group].sort((a, b) => a.port.first - b.port.first);
  const farthest = new Map<string, NumberedPublish>();
  const keep = (key: string, publish: NumberedPublish) => {
    if ((farthest.get(key)?.port.last ?? 0) < publish.port.last) farthest.set(key, publish);
  };
  for (const publish of sorted) {
    const { address, port, protocol } = publish;
    // No address means all of them.
    const candidates = address === undefined ? ['all'] : ['any', address];
    const earlier = candidates
      .flatMap((key) => farthest.get(key) ?? [])
      .find(({ port: other }) => other.last >= port.first);
    if (earlier !== undefined) {
      const isOne = port.first === port.last;
      const range = isOne ? `port ${port.first}` : `ports ${port.first}-${port.last}`;
      report({
        code: 'port-twice',
        message: `${range}/${protocol}${address === undefined ? '' : ` of ${address}`} ${isOne ? 'is' : 'are'} published already`,
        place: publish.place,
        help: 'publish another port, or each at an address of its own',
        related: [{ message: `it leads to ${earlier.to} here`, place: earlier.place }],
      });
    }
    keep('all', publish);
    keep(address ?? 'any', publish);
  }
}

/** Not every kernel follows SCTP, and none does without being told; said once for a file. */
export function checkPublishedSctp({ topology }: Subject, report: Report): void {
  const first = topology.namespaces
    .flatMap(({ nat }) => nat.publish)
    .find(({ protocol }) => protocol === 'sctp');
  if (first === undefined) return;
  report({
    severity: 'warning',
    code: 'publish-sctp',
    message: 'only a kernel with NF_CT_PROTO_SCTP leads SCTP on, and who uses it needs the module sctp',
    place: first.place,
    help: 'modprobe sctp, if the kernel comes with it',
  });
}

/** A target that the namespace has no way to. */
export function checkPublishTargets({ topology, network }: Subject, report: Report): void {
  for (const namespace of topology.namespaces) {
    const { name, nat } = namespace;
    // What the machine itself can reach cannot be known here.
    if (name === HOST || nat.publish.length === 0) continue;
    const routes = routeTable(namespace);
    for (const { to, place } of nat.publish) {
      const ip = parseIp(to);
      if (ip === undefined || network.subnetsWith(name, ip).length > 0 || routes.findAll(ip).length > 0)
        continue;
      report({
        severity: 'warning',
        code: 'publish-target',
        message: `${name} has neither a subnet nor a route with ${to}, so the published port leads nowhere`,
        place,
        help: `give ${name} an address in the target's subnet, or a route to it`,
      });
    }
  }
}

function routeTable({ routes }: Namespace): SubnetTable<true> {
  const table = new SubnetTable<true>();
  for (const { to, family, type } of routes) {
    const prefix = to === 'default' ? (family === 4 ? '0.0.0.0/0' : '::/0') : to;
    const cidr = parseCidr(prefix);
    if (cidr !== undefined && type === 'unicast') table.add(cidr, true);
  }
  return table;
}
