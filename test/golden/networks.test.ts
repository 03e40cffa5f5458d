import { expect, test } from 'vitest';
import { loadText } from '../../src/loader/load.ts';
import { makePlan } from '../../src/plan/plan.ts';
import { emptyRecord } from '../../src/system/record.ts';
import { emptyHost } from '../support/fixture.ts';

// The rules of the machine for each combination of what a network can be: what changes in them is seen here.
const isolations = ['none', 'all', '{ allow: [{ from: a, to: b, ports: [80, icmp] }, { from: b, to: c }] }'];
const kinds = [
  'masquerade: true',
  'masquerade: false',
  'masquerade: [192.0.2.3, "2001:db8::3"]',
  'internal: true',
];

function* matrix(): Generator<readonly string[]> {
  for (const kind of kinds) for (const isolation of isolations) yield [kind, `isolation: ${isolation}`];
  yield ['bridge-address: none'];
  yield ['bridge: other', 'gateway: 10.0.0.1', 'internal: true'];
}

const topologyOf = (network: readonly string[]) => `name: golden
namespaces: [a, b, c]
bridges: { other: {} }
networks:
  lan:
    subnet: [10.0.0.0/24, "fd00::/64"]
    members:
      a: { addresses: [10.0.0.2, "fd00::2"] }
      b: [10.0.0.3, "fd00::3"]
      c: [10.0.0.4, "fd00::4"]
${network
  .map(
    (line) => `    ${line}
`,
  )
  .join('')}`;

/** What nft is given for the machine, table by table. */
async function rulesOf(network: readonly string[]): Promise<string> {
  const { topology, diagnostics } = await loadText('golden.yaml', topologyOf(network));
  expect(diagnostics).toEqual([]);
  if (topology === undefined) throw new Error('not valid');
  const { batches } = makePlan({
    lab: topology.name,
    topology,
    live: emptyHost(),
    record: emptyRecord(topology.name),
  });
  const scripts = batches
    .flatMap(({ commands }) => commands.map(({ command }) => command))
    .flatMap((command) => (command.tool === 'nft' ? [command.script] : []));
  return scripts.join('\n');
}

test('networks', async () => {
  const parts: string[] = [];
  for (const network of matrix()) parts.push(`# ${network.join(', ')}\n${await rulesOf(network)}`);
  await expect(parts.join('\n')).toMatchFileSnapshot('networks/rules.nft');
});
