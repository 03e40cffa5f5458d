import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { sameElements } from '../../../src/kinds/firewall-sets.ts';
import { loadText } from '../../../src/loader/load.ts';
import { longForm } from '../../../src/loader/long-form.ts';
import { stringifyYaml } from '../../../src/loader/stringify.ts';
import { makePlan } from '../../../src/plan/plan.ts';
import type { Plan } from '../../../src/plan/step.ts';
import { emptyRecord } from '../../../src/system/record.ts';
import type { Topology } from '../../../src/topology/model.ts';
import { emptyHost } from '../../support/fixture.ts';

const matrix = 'test/fixtures/firewall-matrix.yaml';
const golden = new URL('../../golden/nftables/', import.meta.url).pathname;

async function load(text: string, path = 'lab.yaml'): Promise<Topology> {
  const { topology, diagnostics } = await loadText(path, text);
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  if (topology === undefined) throw new Error('not valid');
  return topology;
}

function planOf(topology: Topology): Plan {
  return makePlan({
    lab: topology.name,
    topology,
    live: emptyHost(),
    record: emptyRecord(topology.name),
  });
}

/** The scripts for tables of the packet filter, in the order of the plan. */
function scriptsOf({ batches }: Plan): string {
  return batches
    .flatMap(({ commands }) => commands.map(({ command }) => command))
    .flatMap((command) =>
      command.tool === 'nft' && command.script.includes('_firewall')
        ? [`# ${command.namespace}\n${command.script}`]
        : [],
    )
    .join('\n');
}

async function scriptOf(firewall: string): Promise<string> {
  const text = `name: lab\nnamespaces: { gw: { firewall: ${firewall} } }\n`;
  return scriptsOf(planOf(await load(text)));
}

describe('rule sets', () => {
  const examples = readdirSync('topologies').filter((name) => name.startsWith('firewall'));
  test.each([matrix, ...examples.map((name) => `topologies/${name}`)])('of %s', async (path) => {
    const script = scriptsOf(planOf(await load(readFileSync(path, 'utf8'), path)));
    const name = path.replace(/^.*\//, '').replace('.yaml', '.nft');
    await expect(script).toMatchFileSnapshot(`${golden}${name}`);
  });

  test('what kernels may lack in a bridge', async () => {
    const script = await scriptOf(
      `{ bridge: { input: { rules: [ { protocol: tcp, action: reject, reject-with: tcp-reset }, { action: reject } ] },
         forward: { rules: [ { state: [established, related], action: accept } ] } } }`,
    );
    expect(script).toContain('meta l4proto 6 reject with tcp reset comment');
    expect(script).toContain('reject with icmpx port-unreachable comment');
    expect(script).toContain('ct state established,related accept comment');
  });

  test('an empty firewall makes no table', async () => {
    expect(await scriptOf('{}')).toBe('');
  });
});

describe('order', () => {
  test.each([matrix, 'topologies/firewall.yaml', 'topologies/firewall-bridge.yaml'])(
    'the filter of %s is loaded before an interface of its namespace comes up',
    async (path) => {
      const plan = planOf(await load(readFileSync(path, 'utf8'), path));
      const filtered = path.includes('bridge') ? 'host' : 'gw';
      const commands = plan.batches.flatMap((batch) => batch.commands.map(({ command }) => command));
      const isOf = (namespace = 'host') => namespace === filtered;
      const loaded = commands.findLastIndex(
        (command) =>
          command.tool === 'nft' && isOf(command.namespace) && command.script.includes('_firewall'),
      );
      const up = commands.findIndex(
        (command) => command.tool === 'ip' && isOf(command.namespace) && command.args.includes('up'),
      );
      expect(loaded).toBeGreaterThanOrEqual(0);
      expect(up).toBeGreaterThan(loaded);
    },
  );
});

describe('long form', () => {
  test('of every word', async () => {
    const first = await load(readFileSync(matrix, 'utf8'), matrix);
    const long = stringifyYaml(longForm(first));
    const second = await load(long);
    expect(stringifyYaml(longForm(second))).toBe(long);
    expect(scriptsOf(planOf(second))).toBe(scriptsOf(planOf(first)));
  });
});

describe('elements of sets', () => {
  test.each([
    [['10.0.0.0/24'], ['10.0.0.0-10.0.0.255']],
    [['10.0.0.0/25', '10.0.0.128/25'], ['10.0.0.0/24']],
    [['80', '81-90'], ['80-90']],
    [['2001:db8::/127'], ['2001:db8::-2001:db8::1']],
    [
      ['b', 'a'],
      ['a', 'b'],
    ],
  ])('%j and %j are the same', (wanted, live) => {
    expect(sameElements(wanted, live)).toBe(true);
    expect(sameElements(live, wanted)).toBe(true);
  });

  test.each([
    [['10.0.0.1'], ['10.0.0.2']],
    [['10.0.0.0/24'], ['10.0.0.0/25']],
    [['80'], []],
    [['0.0.0.1'], ['::1']],
    [['1'], ['::1']],
  ])('%j and %j are not', (wanted, live) => {
    expect(sameElements(wanted, live)).toBe(false);
    expect(sameElements(live, wanted)).toBe(false);
  });
});
