import { describe, expect, test } from 'vitest';
import { parseImpairment } from '../../../src/cli/impairment-words.ts';
import { makingWords, sameSetting, toAttributes } from '../../../src/kinds/discipline.ts';
import { UsageError } from '../../../src/lib/errors.ts';
import { loadText } from '../../../src/loader/load.ts';
import { longForm } from '../../../src/loader/long-form.ts';
import { lower } from '../../../src/plan/plan.ts';
import type { Topology } from '../../../src/topology/model.ts';

async function topologyOf(text: string): Promise<Topology> {
  const { topology, diagnostics } = await loadText('lab.yaml', text);
  if (topology === undefined) throw new Error(JSON.stringify(diagnostics));
  return topology;
}

/** What `tc qdisc replace dev eth0` is told for settings of the command line. */
const words = (...settings: string[]) =>
  makingWords(toAttributes(parseImpairment(settings, 1500))).map((line) => line.join(' '));

describe('the discipline', () => {
  test('netem for what is no rate, with every setting', () => {
    expect(words('delay=50ms', 'loss=1%')).toEqual([
      'root handle 7470: netem limit 5118 delay 50000us 0us 0% loss random 1% 0% duplicate 0% 0% corrupt 0% 0% reorder 0% 0% rate 0bit',
    ]);
  });

  test('the distribution has a handle of its own', () => {
    expect(words('delay=50ms', 'jitter=5ms', 'distribution=pareto', 'limit=9')[0]).toMatch(
      /^root handle 7472: netem limit 9 delay 50000us 5000us 0% distribution pareto loss/,
    );
  });

  test('tbf for a rate alone, with a burst that a packet fits into', () => {
    expect(words('rate=64kbit')).toEqual(['root handle 7478: tbf rate 64000bit burst 3072b limit 100224b']);
    expect(words('rate=1gbit')[0]).toContain('burst 500736b');
  });

  test('the rate of netem where more is wanted, and tbf around it where that has a burst', () => {
    expect(words('rate=10mbit', 'delay=10ms')[0]).toMatch(/^root handle 7470: netem .* rate 10000000bit$/);
    const [outer, inner] = words('rate=10mbit', 'burst=32kb', 'delay=10ms');
    expect(outer).toMatch(/^root handle 7479: tbf rate 10000000bit burst 32768b/);
    expect(inner).toMatch(/^parent 7479:1 handle 7470: netem .* rate 0bit$/);
  });

  test('a loss model takes the place of the random loss', () => {
    expect(words('loss=gemodel:1%')[0]).toContain('loss gemodel 1% 99% 100% 0%');
    expect(words('loss=state:1%,20%,30%,40%,5%')[0]).toContain('loss state 1% 20% 30% 40% 5%');
  });
});

describe('the derived limit', () => {
  const limit = (...settings: string[]) => parseImpairment(settings, 1500).limit;

  test("is netem's own without a delay, and more with one", () => {
    expect(limit('loss=1%')).toBe(1000);
    expect(limit('delay=100ms')).toBeGreaterThan(9000);
  });

  test('holds what a rate sends during the delay, and no more than it sends in 200 ms beside', () => {
    expect(limit('delay=100ms', 'rate=1mbit')).toBe(64 + 9);
    expect(limit('delay=100ms', 'rate=100mbit')).toBe(1647 + 824);
  });
});

test.each([
  ['delay', 'KEY=VALUE'],
  ['dely=5ms', "did you mean 'delay'"],
  ['loss=gemodel:1%,2%,3%,4%,5%', 'at most 4 values'],
  ['limit=0', 'from 1 to'],
  ['distribution=gauss', 'uniform, normal'],
  ['rate=1mbps', 'bytes in a second'],
  ['burst=5kb', "no effect without 'rate'"],
])('the command line refuses %s', (word, says) => {
  let error: unknown;
  try {
    parseImpairment([word], 1500);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(UsageError);
  const { message, hint } = error as UsageError;
  expect(`${message} ${hint}`).toContain(says);
});

test.each([
  ['delay', '50ms', '49.999ms', true],
  ['delay', '50ms', '49ms', false],
  ['delay', '100us', '99us', true],
  ['loss', '1.2345%', '1.2345%', true],
  ['loss', '1%', 'none', false],
  ['loss', 'gemodel p 1% r 2% 1-h 3% 1-k 4%', '1%', false],
  ['burst', '32kb', '32767b', true],
  ['rate', '10mbit', '10.1mbit', false],
  ['limit', 1000, 1001, false],
] as const)('%s %s and a live one of %s', (attribute, wanted, live, same) => {
  expect(sameSetting(attribute, wanted, live)).toBe(same);
});

const everywhere = `name: lab
namespaces:
  a: { interfaces: { bond0: { type: bond, delay: 3ms }, d0: { type: dummy, loss: 1% } } }
  b: {}
  c: {}
links:
  - { delay: 10ms, rate: 10mbit, endpoints: { a:e0: { addresses: 10.0.0.1/30, delay: 20ms }, b:e0: { addresses: 10.0.0.2/30, ingress: { rate: 1mbit } } } }
bridges:
  br0: { namespace: a, ports: { c:eth0: { addresses: 10.1.0.1/24, rate: 5mbit, burst: 16kb, delay: 1ms } } }
tunnels:
  vx0: { type: vxlan, id: 5, endpoints: { a: { local: 10.0.0.1, jitter: 1ms, delay: 2ms, distribution: normal }, b: { local: 10.0.0.2, loss: { gemodel: { p: 2% } } } } }
  greb: { type: gre, endpoints: { b: { local: 10.0.0.2, delay: 4ms, limit: 70 }, a: { local: 10.0.0.1 } } }
`;

test('every interface can be impaired, and the long form says the same', async () => {
  const topology = await topologyOf(everywhere);
  expect(
    topology.impairments.map(({ namespace, name, direction, via }) => [namespace, name, direction, via]),
  ).toEqual([
    ['a', 'bond0', 'egress', undefined],
    ['a', 'd0', 'egress', undefined],
    ['a', 'e0', 'egress', undefined],
    ['a', 'vx0', 'egress', undefined],
    ['b', 'e0', 'egress', undefined],
    ['b', 'e0', 'ingress', 'ifb-e0'],
    ['b', 'greb', 'egress', undefined],
    ['b', 'vx0', 'egress', undefined],
    ['c', 'eth0', 'egress', undefined],
  ]);
  const delays = topology.impairments.map(({ settings }) => settings.delay);
  expect(delays).toEqual([3000, 0, 20_000, 2000, 10_000, 0, 4000, 0, 1000]);
  const again = await topologyOf(JSON.stringify(longForm(topology)));
  const plain = (one: Topology) => one.impairments.map(({ place: _, ...rest }) => rest);
  expect(plain(again)).toEqual(plain(topology));
  expect(again.interfaces.map(({ name }) => name)).toEqual(topology.interfaces.map(({ name }) => name));
});

test('what is received goes through an ifb device, which is made first and goes last', async () => {
  const resources = lower(await topologyOf(everywhere));
  expect(resources.filter(({ kind }) => kind === 'ifb').map(({ id }) => id)).toEqual(['b/ifb-e0']);
  const redirect = resources.find(({ kind }) => kind === 'redirect');
  expect(redirect).toMatchObject({ id: 'b/e0/ingress', attributes: { dev: 'e0', to: 'ifb-e0' } });
});

test('the name of an ifb device fits, and is free', async () => {
  const { impairments } = await topologyOf(
    'name: lab\nnamespaces: { a: { interfaces: { ifb-x: { type: dummy } } }, b: {} }\nlinks: [{ endpoints: { a:averylongname0: { ingress: { loss: 1% } }, b:x: {} } }, { endpoints: { a:x: { ingress: { loss: 1% } }, b:y: {} } }]\n',
  );
  const names = impairments.map(({ via }) => via ?? '');
  expect(new Set(names).size).toBe(2);
  for (const name of names) expect(name).toMatch(/^ifb-[0-9a-f]{8}$/);
});
