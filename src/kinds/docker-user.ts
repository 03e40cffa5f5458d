import { kernelName } from '../lib/interface-name.ts';
import { hostInterfaces } from '../topology/host-interfaces.ts';
import { HOST, type Topology } from '../topology/model.ts';
import type { Command, Kind, LiveResource, Resource } from './resource.ts';

/**
 * A rule in Docker's chain DOCKER-USER that accepts what comes in, or goes out, by an interface of the lab. A comment
 * says whose it is; rules without it are never touched. Where a rule stands in the chain is not compared: who puts one
 * in front of it later means that.
 */
export const dockerUserKind: Kind = {
  name: 'docker-user',
  changes: {},
  lower: ({ topology }) => {
    const integrate = topology.namespaces.find(({ name }) => name === HOST)?.firewall.integrate;
    if (integrate === undefined || integrate.families.length === 0) return [];
    const { families, place } = integrate;
    return hostInterfaces(topology).flatMap(({ name }) =>
      families.flatMap((family) =>
        (['-i', '-o'] as const).map((option): Resource => {
          const rule = [option, kernelName(name), ...commentOf(topology.name), '-j', 'ACCEPT'];
          return resourceOf(family, rule, place);
        }),
      ),
    );
  },
  read: (live, { lab }) => {
    const found = new Map<string, LiveResource>();
    for (const [family, rules] of live.dockerUser ?? []) {
      for (const rule of rules) {
        if (!hasComment(rule, lab)) continue;
        const resource = resourceOf(family, rule);
        let { id } = resource;
        // The chain may have the same rule twice: one of them is too many.
        for (let count = 2; found.has(id); count += 1) id = `${resource.id}/${count}`;
        found.set(id, { ...resource, id, owner: 'ours' });
      }
    }
    return [...found.values()];
  },
  // A rule names its interface without needing it.
  requires: () => [],
  create: (resource) => [ruleCommand('-I', resource)],
  update: ({ wanted }) => [ruleCommand('-I', wanted)],
  remove: (resource) => [ruleCommand('-D', resource)],
  // As long as the interface is there, what it forwards gets through.
  removedLast: true,
  disrupts: (_change, action) =>
    action === 'delete' ? 'Docker may drop what the machine forwards by its interface' : undefined,
};

/** Whether the id of a resource, as a record has it, is that of such a rule. */
export function isDockerUserId(id: string): boolean {
  return id.startsWith(`${HOST}/docker-user/`);
}

/** The topology with the families for which the machine has the chain. */
export function withDockerUser(topology: Topology, families: readonly (4 | 6)[]): Topology {
  const namespaces = topology.namespaces.map((namespace) => {
    const { integrate } = namespace.firewall;
    if (namespace.name !== HOST || integrate === undefined) return namespace;
    return { ...namespace, firewall: { ...namespace.firewall, integrate: { ...integrate, families } } };
  });
  return { ...topology, namespaces };
}

function commentOf(lab: string): string[] {
  return ['-m', 'comment', '--comment', `topoweave:${lab}`];
}

function hasComment(rule: readonly string[], lab: string): boolean {
  return rule.some((word, at) => word === '--comment' && rule[at + 1] === `topoweave:${lab}`);
}

function resourceOf(family: 4 | 6, rule: readonly string[], place?: Resource['place']): Resource {
  const comment = rule.indexOf('--comment');
  // Without what every rule of the lab has.
  const short = rule.filter((_, at) => at < comment - 2 || at > comment + 1).join(' ');
  return {
    kind: 'docker-user',
    id: `${HOST}/docker-user/ipv${family}/${short}`,
    namespace: HOST,
    label: `${short}${family === 6 ? ' (IPv6)' : ''}`,
    attributes: { family, content: rule },
    ...(place === undefined ? {} : { place }),
  };
}

/** A new rule becomes the first one: in front of rules of others that drop, and of the `RETURN` that Docker had there. */
function ruleCommand(verb: '-I' | '-D', { attributes }: Resource): Command {
  const rule = attributes['content'] as readonly string[];
  return {
    tool: 'iptables',
    namespace: HOST,
    program: attributes['family'] === 6 ? 'ip6tables' : 'iptables',
    args: ['-w', verb, 'DOCKER-USER', ...rule],
  };
}
