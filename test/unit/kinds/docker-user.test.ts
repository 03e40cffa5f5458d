import { expect, test } from 'vitest';
import { needsDockerUser, withFoundChains } from '../../../src/apply/docker-user.ts';
import { withDockerUser } from '../../../src/kinds/docker-user.ts';
import { loadText } from '../../../src/loader/load.ts';
import type { Live } from '../../../src/observe/live.ts';
import { lower, makePlan } from '../../../src/plan/plan.ts';
import { formatCommands } from '../../../src/report/commands.ts';
import { emptyRecord } from '../../../src/system/record.ts';
import type { Topology } from '../../../src/topology/model.ts';

const file = `name: lab
namespaces:
  host:
    firewall: { integrate: docker-user }
    interfaces:
      eth0: { adopt: true, addresses: 192.0.2.10/24 }
      ifb0: { type: ifb }
      tap0: { type: tap }
  a: {}
bridges:
  br0: { addresses: 10.0.0.1/24, ports: { a:eth0: 10.0.0.2/24 } }
  virbr0: { adopt: true, ports: { a:eth1: {} } }
links: [{ endpoints: { host:left: 10.1.0.1/24, a:eth2: {} } }]
tunnels: { t0: { type: gre, endpoints: { host: { local: 192.0.2.10, remote: 192.0.2.11 } } } }
`;

async function load(text: string): Promise<Topology> {
  const { topology, diagnostics } = await loadText('lab.yaml', text);
  if (topology === undefined) throw new Error(diagnostics.map(({ message }) => message).join('\n'));
  return topology;
}

function rulesOf(topology: Topology): string[] {
  return lower(topology).flatMap(({ kind, label }) => (kind === 'docker-user' ? [label] : []));
}

const chains = (rules: Readonly<Partial<Record<4 | 6, string[]>>>): Live => ({
  namespaces: new Map(),
  stale: [],
  dockerUser: new Map(
    Object.entries(rules).map(([family, lines]) => [
      family === '4' ? 4 : 6,
      lines.map((line) => line.split(' ')),
    ]),
  ),
});

const mark = '-m comment --comment topoweave:lab';
const accept = (key: string, name: string, comment = mark) => `-${key} ${name} ${comment} -j ACCEPT`;

/** The lines of the part of a plan that is about the chain. */
function linesFor(topology: Topology | undefined, live: Live): string[] {
  const found = topology && withFoundChains(topology, live);
  const plan = makePlan({ lab: 'lab', topology: found, live, record: emptyRecord('lab') });
  return formatCommands(plan)
    .split('\n')
    .filter((line) => line.includes('tables -w'));
}

test('what the machine forwards by is accepted in both directions, per family that has the chain', async () => {
  const topology = await load(file);
  const names = ['br0', 'left', 't0', 'tap0', 'virbr0'];
  const both = names.flatMap((name) => [`-i ${name} -j ACCEPT`, `-o ${name} -j ACCEPT`]);
  expect(rulesOf(topology)).toEqual([]);
  expect(rulesOf(withDockerUser(topology, [4]))).toEqual(both);
  expect(rulesOf(withDockerUser(topology, [4, 6]))).toHaveLength(2 * both.length);
});

const small = `name: lab
namespaces: { host: { firewall: { integrate: docker-user } }, a: {} }
links: [{ endpoints: { host:left: 10.1.0.1/24, a:eth0: {} } }]
`;

test.each<[string, Partial<Record<4 | 6, string[]>>, string[]]>([
  ['no chain', {}, []],
  [
    'an empty chain',
    { 4: [] },
    [
      `iptables -w -I DOCKER-USER ${accept('i', 'left')}`,
      `iptables -w -I DOCKER-USER ${accept('o', 'left')}`,
    ],
  ],
  [
    'the other family alone',
    { 6: [accept('i', 'left')] },
    [`ip6tables -w -I DOCKER-USER ${accept('o', 'left')}`],
  ],
  ['all that is wanted', { 4: [accept('o', 'left'), accept('i', 'left')] }, []],
  [
    'rules of others, of other labs and without a mark',
    {
      4: [
        '-j RETURN',
        '-i left -j ACCEPT',
        accept('i', 'left', '-m comment --comment topoweave:lab2'),
        accept('i', 'left'),
        accept('o', 'left'),
      ],
    },
    [],
  ],
  [
    'one twice, one of an interface that left, one that somebody changed',
    {
      4: [
        accept('i', 'left'),
        accept('i', 'left'),
        accept('o', 'left'),
        accept('o', 'gone'),
        `-s 10.0.0.0/8 -i left ${mark} -j DROP`,
      ],
    },
    [
      `iptables -w -D DOCKER-USER ${accept('i', 'left')}`,
      `iptables -w -D DOCKER-USER ${accept('o', 'gone')}`,
      `iptables -w -D DOCKER-USER -s 10.0.0.0/8 -i left ${mark} -j DROP`,
    ],
  ],
])('%s', async (_, rules, lines) => {
  expect(linesFor(await load(small), chains(rules))).toEqual(lines);
});

test('what the lab has goes with it', () => {
  const live = chains({ 4: [accept('i', 'left'), '-j RETURN'], 6: [accept('i', 'left')] });
  expect(linesFor(undefined, live).sort()).toEqual([
    `ip6tables -w -D DOCKER-USER ${accept('i', 'left')}`,
    `iptables -w -D DOCKER-USER ${accept('i', 'left')}`,
  ]);
});

test('the chain is looked at only where it may have something of the lab', async () => {
  const record = emptyRecord('lab');
  expect(needsDockerUser(await load(small), record)).toBe(true);
  const plain = await load(small.replace('{ integrate: docker-user }', '{}'));
  expect(needsDockerUser(plain, record)).toBe(false);
  expect(needsDockerUser(undefined, record)).toBe(false);
  const hostObjects = ['host/docker-user/ipv4/-i left -j ACCEPT'];
  expect(needsDockerUser(undefined, { ...record, hostObjects })).toBe(true);
});
