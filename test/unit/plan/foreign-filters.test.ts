import { expect, test } from 'vitest';
import { loadText } from '../../../src/loader/load.ts';
import { type FilterSources, readForeignFilters } from '../../../src/observe/foreign-filters.ts';
import type { NftObject } from '../../../src/observe/live.ts';
import { foreignWarnings } from '../../../src/plan/foreign-filters.ts';

const { topology } = await loadText(
  'lab.yaml',
  `name: lab
namespaces: { host: { forwarding: true }, a: {}, b: {} }
bridges: { br0: { addresses: 10.0.0.1/24, ports: { a:eth0: {}, b:eth0: {} } } }
`,
);

function chain(family: string, table: string, name: string, more: object = {}): NftObject {
  return { chain: { family, table, name, ...more } };
}

const dropping = { hook: 'forward', prio: 0, policy: 'drop' };

function sourcesOf(parts: Partial<FilterSources> & { objects?: readonly NftObject[] }): FilterSources {
  const { objects = [] } = parts;
  return {
    list: async (command) =>
      command === 'list chains' ? objects.filter(({ chain: found }) => found !== undefined) : objects,
    legacy: async () => '',
    read: () => '',
    ...parts,
  };
}

async function warningsOf(parts: Parameters<typeof sourcesOf>[0]): Promise<string[]> {
  if (topology === undefined) throw new Error('not valid');
  const filters = await readForeignFilters(sourcesOf(parts));
  return foreignWarnings(topology, filters, false).map(({ message, help }) => `${message}\n${help}`);
}

test.each<[string, NftObject[], RegExp]>([
  [
    'docker',
    [chain('ip', 'filter', 'FORWARD', dropping), chain('ip', 'filter', 'DOCKER-USER')],
    /integrate: docker-user.* iptables -I DOCKER-USER -i br0/,
  ],
  [
    'ufw',
    [chain('ip', 'filter', 'FORWARD', dropping), chain('ip', 'filter', 'ufw-before-forward')],
    /ufw route allow in on br0/,
  ],
  [
    'firewalld',
    [chain('inet', 'firewalld', 'filter_FORWARD', { hook: 'forward', policy: 'accept' })],
    /--add-interface=br0/,
  ],
  [
    'a chain of anybody',
    [chain('inet', 'mine', 'fwd', dropping)],
    /nft insert rule inet mine fwd iifname br0 accept/,
  ],
])('%s is named', async (_, objects, help) => {
  const [warning = '', more] = await warningsOf({ objects });
  expect(more).toBeUndefined();
  expect(warning).toMatch(/what host forwards by br0 is lost/);
  expect(warning).toMatch(help);
});

test('the legacy table of iptables, which nft does not show', async () => {
  const read = (path: string) => (path === '/proc/net/ip_tables_names' ? 'nat\nfilter\n' : '');
  const legacy = async () => '-P FORWARD DROP\n';
  expect((await warningsOf({ read, legacy })).join()).toContain(
    'iptables-legacy -I FORWARD -i br0 -j ACCEPT',
  );
  const open = async () => '-P FORWARD DROP\n-A FORWARD -i br0 -j ACCEPT\n-A FORWARD -o br0 -j ACCEPT\n';
  expect(await warningsOf({ read, legacy: open })).toEqual([]);
});

test('br_netfilter is named along with what drops', async () => {
  const read = (path: string) => (path.endsWith('bridge-nf-call-iptables') ? '1\n' : '');
  const objects = [chain('ip', 'filter', 'FORWARD', dropping)];
  const warnings = await warningsOf({ objects, read });
  expect(warnings).toHaveLength(2);
  expect(warnings[1]).toContain('sysctl -w net.bridge.bridge-nf-call-iptables=0');
  expect(await warningsOf({ read })).toEqual([]);
});

test.each<[string, NftObject]>([
  ["the lab's own", chain('inet', 'topoweave-lab_firewall', 'forward', dropping)],
  ['one that accepts', chain('ip', 'filter', 'FORWARD', { ...dropping, policy: 'accept' })],
  ['one for the other family', chain('ip6', 'filter', 'FORWARD', dropping)],
  ['one for packets to the machine', chain('ip', 'filter', 'INPUT', { ...dropping, hook: 'input' })],
])('%s is none', async (_, object) => {
  expect(await warningsOf({ objects: [object] })).toEqual([]);
});

test('where its rules let the interface through, nothing is said', async () => {
  const rule = (key: string): NftObject => ({
    rule: {
      family: 'ip',
      table: 'filter',
      chain: 'FORWARD',
      expr: [
        { match: { op: '==', left: { meta: { key } }, right: 'br0' } },
        { counter: {} },
        { accept: null },
      ],
    },
  });
  const chains = [chain('ip', 'filter', 'FORWARD', dropping)];
  expect(await warningsOf({ objects: [...chains, rule('iifname')] })).toHaveLength(1);
  expect(await warningsOf({ objects: [...chains, rule('iifname'), rule('oifname')] })).toEqual([]);
});

test('what nft knows only as a match of iptables is a condition, but for a comment', async () => {
  const rule = (key: string, name: string): NftObject => ({
    rule: {
      expr: [
        { match: { op: '==', left: { meta: { key } }, right: 'br0' } },
        { xt: { type: 'match', name } },
        { accept: null },
      ],
    },
  });
  const both = (name: string) => ['iifname', 'oifname'].map((key) => rule(key, name));
  const chains = [chain('ip', 'filter', 'FORWARD', dropping)];
  expect(await warningsOf({ objects: [...chains, ...both('conntrack')] })).toHaveLength(1);
  expect(await warningsOf({ objects: [...chains, ...both('comment')] })).toEqual([]);
});

test('where the plan puts the lab into DOCKER-USER, that filter is not named', async () => {
  if (topology === undefined) throw new Error('not valid');
  const objects = [chain('ip', 'filter', 'FORWARD', dropping), chain('inet', 'mine', 'fwd', dropping)];
  const said = async (families: (4 | 6)[], more: NftObject[]) => {
    const filters = await readForeignFilters(sourcesOf({ objects: [...objects, ...more] }));
    return foreignWarnings(topology, filters, false, new Set(families)).map(({ message }) => message);
  };
  const user = chain('ip', 'filter', 'DOCKER-USER');
  expect(await said([4], [user])).toEqual([expect.stringContaining('inet mine fwd')]);
  expect(await said([6], [user])).toHaveLength(2);
  expect(await said([4], [])).toHaveLength(2);
});

test('the legacy table of Docker', async () => {
  const read = (path: string) => (path === '/proc/net/ip_tables_names' ? 'filter\n' : '');
  const mark = '-m comment --comment "topoweave:lab"';
  const rules = ['-P FORWARD DROP', '-N DOCKER-USER', '-A FORWARD -j DOCKER-USER'];
  const legacy = async () => `${rules.join('\n')}\n`;
  expect((await warningsOf({ read, legacy })).join()).toContain('integrate: docker-user');
  const accepted = ['i', 'o'].map((key) => `-A DOCKER-USER -${key} br0 ${mark} -j ACCEPT`);
  const open = async () => `${[...rules, ...accepted].join('\n')}\n`;
  expect(await warningsOf({ read, legacy: open })).toEqual([]);
});
