import { planAddresses } from './addresses.ts';
import { samplePairs } from './checks.ts';
import { distancesFrom, type Graph, neighborsOf } from './graph.ts';
import { type PlannedRoute, planRoutes } from './routes.ts';

/** The topology file of a routed shape: namespaces with their routes, links, checks. */
export function routedFile(graph: Graph, { name, command }: { name: string; command: string }): string {
  const { nodes, links, hasCircles } = graph;
  const { loopbacks, links: pairs } = planAddresses(graph);
  const routes = planRoutes(graph);
  const nextHops = new Map<string, string>();
  links.forEach(([a, b], index) => {
    const [first, second] = pairs[index] ?? ['', ''];
    nextHops.set(`${a} ${b}`, second);
    nextHops.set(`${b} ${a}`, first);
  });
  const nameOf = (node: number) => nodes[node]?.name ?? '';
  const lines = [
    `# Made by: ${command}`,
    '# Node N has the addresses 10.0.N.0/24, from 256 on 10.1.0.0/24 and so on: .1 is its loopback address, .2 and up are',
    '# its links, two addresses each. Every node reaches every other by shortest paths.',
    `name: ${name}`,
    'templates:',
    // Strict reverse path filters would drop what comes back on another one of several ways.
    hasCircles
      ? '  router: { forwarding: true, sysctls: { net.ipv4.conf.all.rp_filter: 2 } }'
      : '  router: { forwarding: true }',
    'namespaces:',
  ];
  nodes.forEach(({ name: node, isHost }, index) => {
    lines.push(`  ${node}:`);
    if (!isHost) lines.push('    template: router');
    lines.push(`    interfaces: { lo: ${loopbacks[index]}/32 }`, '    routes:');
    for (const { to, over } of routes[index] ?? []) {
      const vias = over.map((next) => nextHops.get(`${index} ${next}`) ?? '');
      lines.push(`      ${to}: ${routeText({ to, over }, vias)}`);
    }
  });
  lines.push('links:');
  links.forEach(([a, b], index) => {
    const [first, second] = pairs[index] ?? ['', ''];
    const [left, right] = [nameOf(a), nameOf(b)];
    lines.push(`  - endpoints: { ${left}:to-${right}: ${first}/31, ${right}:to-${left}: ${second}/31 }`);
  });
  const neighbors = neighborsOf(graph);
  lines.push('checks:');
  for (const [from, to] of samplePairs(nodes.length, (node) => distancesFrom(node, neighbors)))
    lines.push(
      `  - { name: ${nameOf(from)} to ${nameOf(to)}, ping: { from: ${nameOf(from)}, to: ${loopbacks[to]} } }`,
    );
  return `${lines.join('\n')}\n`;
}

function routeText({ over }: PlannedRoute, vias: readonly string[]): string {
  if (over.length === 1) return vias[0] ?? '';
  return `{ nexthops: [${vias.map((via) => `{ via: ${via} }`).join(', ')}] }`;
}
