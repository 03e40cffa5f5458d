import { expect, test } from 'vitest';
import { ruleKind } from '../../../src/kinds/rule.ts';
import { loadText } from '../../../src/loader/load.ts';
import { emptyRecord } from '../../../src/system/record.ts';
import { emptyHost } from '../../support/fixture.ts';

async function loadRule(rule: string) {
  return await loadText('rule.yaml', `name: rule\nnamespaces:\n  host: { routing-policy: [${rule}] }\n`);
}

async function idOf(rule: string): Promise<string | undefined> {
  const { topology } = await loadRule(rule);
  return topology && ruleKind.lower({ topology })[0]?.id;
}

test.each([
  ['{ from: 0.0.0.0/0, type: blackhole }', 'host/rule/inet/10000/from all'],
  ['{ to: 0.0.0.0/0, type: blackhole }', 'host/rule/inet/10000/from all'],
  ['{ from: "::/0", type: blackhole }', 'host/rule/inet6/10000/from all'],
  ['{ to: "0:0::/0", type: blackhole }', 'host/rule/inet6/10000/from all'],
  ['{ mark: 0/0, table: 100 }', 'host/rule/inet/10000/from all'],
  ['{ mark: 0, table: 100 }', 'host/rule/inet/10000/from all fwmark 0x0/0xffffffff'],
  ['{ from: "2001:DB8::1", table: 100 }', 'host/rule/inet6/10000/from 2001:db8::1/128'],
])('%s', async (rule, id) => {
  expect(await idOf(rule)).toBe(id);
});

test.each([
  ['{ ip-proto: "0", table: 100 }', 'not a known protocol'],
  ['{ ip-proto: tcp, sport: 0-5, table: 100 }', '1 to 65534'],
  ['{ ip-proto: tcp, dport: 65535, table: 100 }', '1 to 65534'],
])('%s is refused', async (rule, text) => {
  const { diagnostics } = await loadRule(rule);
  expect(diagnostics.map(({ message }) => message).join()).toContain(text);
});

test('a rule of the host that the record names in other words is the lab’s all the same', () => {
  const live = emptyHost();
  const host = live.namespaces.get('host');
  if (host === undefined) throw new Error('no host');
  const rules = [{ family: 4, priority: 10_000, src: 'all', action: 'blackhole', protocol: '116' }] as const;
  const read = (hostObjects: string[]) =>
    ruleKind.read(
      { ...live, namespaces: new Map([['host', { ...host, rules }]]) },
      { lab: 'rule', record: { ...emptyRecord('rule'), hostObjects }, wanted: new Map(), adopted: new Map() },
    );
  expect(read(['host/rule/inet/10000/from 0.0.0.0/0'])).toMatchObject([{ owner: 'ours' }]);
  expect(read(['host/rule/inet/10000/from all to 0.0.0.0/0'])).toMatchObject([{ owner: 'ours' }]);
  // Another lab's rule of that priority is its own.
  expect(read(['host/rule/inet/10000/from 10.0.0.0/8'])).toEqual([]);
  expect(read(['host/rule/inet/10001/from all'])).toEqual([]);
  expect(read([])).toEqual([]);
});
