import { expect, test } from 'vitest';
import { loadText } from '../../src/loader/load.ts';
import { makePlan } from '../../src/plan/plan.ts';
import { emptyRecord } from '../../src/system/record.ts';
import { emptyHost } from '../support/fixture.ts';

// The whole table of a router for each combination of what a published port can be: what changes in it is seen here.
const families = [
  { family: 'IPv4', own: '192.0.2.2', near: '10.0.0.3', far: '10.9.0.3', loopback: '127.0.0.1' },
  { family: 'IPv6', own: '[2001:db8:1::2]', near: '[2001:db8::3]', far: '[2001:db8:9::3]' },
];
const ports = [
  { says: 'one port', port: '8080', toPort: ':80' },
  { says: 'a range to the same ports', port: '9000-9002', toPort: '' },
  { says: 'a range to others', port: '7000-7001', toPort: ':17000-17001' },
];

interface Case {
  readonly name: string;
  readonly nat: object;
}

function* matrix(): Generator<Case> {
  for (const { family, own, near, far, loopback } of families) {
    const scopes = [
      { says: 'every address', address: '' },
      { says: 'one address', address: `${own}:` },
      ...(loopback === undefined ? [] : [{ says: '127.0.0.1', address: `${loopback}:` }]),
    ];
    const targets = [
      { says: 'a neighbour', to: near },
      { says: 'behind another router', to: far },
    ];
    for (const scope of scopes)
      for (const target of targets)
        for (const port of ports) {
          yield {
            name: `${family}: ${scope.says}, ${target.says}, ${port.says}`,
            nat: { publish: [`${scope.address}${port.port}:${target.to}${port.toPort}`] },
          };
        }
  }
  yield {
    name: 'every protocol at one port',
    nat: { publish: ['53:10.0.0.3:53', '53:10.0.0.3:53/udp', '53:10.0.0.3:53/sctp'] },
  };
  yield {
    name: 'several families, scopes and targets at once, with masquerade and snat',
    nat: {
      publish: ['8080:10.0.0.3:80', '127.0.0.1:8081:10.0.0.4:80', '[::]:8080:web:80', '192.0.2.2:443:web'],
      snat: [{ from: '10.0.0.3/32', to: '192.0.2.2', out: 'wan' }],
      masquerade: [{ from: '10.0.0.0/24', out: 'wan' }],
    },
  };
  yield { name: 'masquerade without a published port', nat: { masquerade: [{ out: 'wan' }] } };
}

function topologyOf(nat: object): string {
  return JSON.stringify({
    name: 'golden',
    namespaces: {
      gw: {
        forwarding: true,
        nat,
        routes: [
          { to: '10.9.0.0/24', via: '192.0.2.1' },
          { to: '2001:db8:9::/64', via: '2001:db8:1::1' },
        ],
      },
      web: {},
      outside: {},
    },
    bridges: {
      lan: {
        namespace: 'gw',
        addresses: ['10.0.0.1/24', '2001:db8::1/64'],
        ports: { 'web:eth0': ['10.0.0.3/24', '2001:db8::3/64'] },
      },
    },
    links: [
      {
        endpoints: {
          'gw:wan': ['192.0.2.2/24', '2001:db8:1::2/64'],
          'outside:eth0': ['192.0.2.1/24', '2001:db8:1::1/64'],
        },
      },
    ],
  });
}

async function scriptOf(nat: object): Promise<string> {
  const { topology, diagnostics } = await loadText('input.yaml', topologyOf(nat));
  if (topology === undefined) throw new Error(JSON.stringify(diagnostics));
  const record = emptyRecord('golden');
  const { batches } = makePlan({ lab: 'golden', topology, live: emptyHost(), record });
  const commands = batches.flatMap((batch) => batch.commands.map(({ command }) => command));
  const localnet = commands.flatMap((command) =>
    command.tool === 'sysctl' && command.name.includes('route_localnet')
      ? [`${command.name} = ${command.value}\n`]
      : [],
  );
  const scripts = commands.flatMap((command) => (command.tool === 'nft' ? [command.script] : []));
  return [...localnet, ...scripts].join('');
}

test('the rules for each kind of published port', async () => {
  const parts: string[] = [];
  for (const { name, nat } of matrix()) parts.push(`# ${name}\n${await scriptOf(nat)}`);
  await expect(parts.join('\n')).toMatchFileSnapshot('./publish/rules.txt');
});
