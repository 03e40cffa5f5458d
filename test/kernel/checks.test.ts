import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CheckResult, runChecks } from '../../src/check/run-checks.ts';
import { run } from '../../src/system/run.ts';
import type { Check, Topology } from '../../src/topology/model.ts';
import { checkOf, checkTopology } from '../support/check-topology.ts';

/** isp -- gw -- web; gw publishes 8080 to web's 80, and 5353/udp to web's 53. */
const addresses = {
  ckisp: ['192.0.2.1', '2001:db8::1'],
  ckgw: ['192.0.2.2', '10.0.0.1', '2001:db8::2'],
  ckweb: ['10.0.0.3'],
};
const one = (port: number): { first: number; last: number } => ({ first: port, last: port });
const publish = {
  ckgw: [
    { port: one(8080), to: '10.0.0.3', toPort: one(80) },
    { port: one(5353), to: '10.0.0.3', toPort: one(53), protocol: 'udp' as const },
  ],
};

const rules = `
table inet nat {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 192.0.2.2 tcp dport 8080 dnat ip to 10.0.0.3:80
    ip daddr 192.0.2.2 udp dport 5353 dnat ip to 10.0.0.3:53
  }
}
table inet filter {
  chain input {
    type filter hook input priority 0; policy accept;
    tcp dport 7 drop
    tcp dport 9 reject with tcp reset
    udp dport { 7, 9 } drop
  }
}
`;

beforeAll(async () => {
  for (const name of Object.keys(addresses)) await must('ip', 'netns', 'add', name);
  await must(
    'ip',
    '-n',
    'ckgw',
    'link',
    'add',
    'wan',
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    'ckisp',
  );
  await must(
    'ip',
    '-n',
    'ckgw',
    'link',
    'add',
    'lan',
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    'ckweb',
  );
  await address('ckisp', 'eth0', ['192.0.2.1/24', '2001:db8::1/64']);
  await address('ckgw', 'wan', ['192.0.2.2/24', '2001:db8::2/64']);
  await address('ckgw', 'lan', ['10.0.0.1/24']);
  await address('ckweb', 'eth0', ['10.0.0.3/24']);
  await must('ip', '-n', 'ckweb', 'route', 'add', 'default', 'via', '10.0.0.1');
  await must('ip', '-n', 'ckisp', 'route', 'add', 'prohibit', '198.51.100.0/24');
  await must('nsenter', '--net=/run/netns/ckgw', '--', 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1');
  const loaded = await run(['nsenter', '--net=/run/netns/ckgw', '--', 'nft', '-f', '-'], { input: rules });
  expect(loaded).toMatchObject({ code: 0, stderr: '' });
});

afterAll(async () => {
  for (const name of Object.keys(addresses)) await must('ip', 'netns', 'delete', name);
});

test('ping: all packets, with size, IPv6, and what must be unreachable', async () => {
  const results = await check([
    ping('192.0.2.2', { count: 3 }),
    ping('192.0.2.2', { size: 1472 }),
    ping('2001:db8::2'),
    ping('192.0.2.99', { expect: 'unreachable' }),
    ping('203.0.113.1', { expect: 'unreachable' }),
    ping('198.51.100.1', { expect: 'unreachable' }),
  ]);
  expect(results.map(({ ok }) => ok)).toEqual([true, true, true, true, true, true]);
  expect(results[0]?.detail).toMatch(/^3 packets, [\d.]+ ms average$/);
  expect(results[4]).toMatchObject({ detail: 'no answer: Network is unreachable' });
  expect(results[4]?.attempts).toBeGreaterThan(1);
  expect(results[5]).toMatchObject({ detail: 'no answer: Permission denied' });
});

test('ping: no answer, too big, and an answer where none may come', async () => {
  const results = await check([
    ping('192.0.2.99', { within: 500 }),
    ping('192.0.2.2', { size: 1473, within: 500 }),
    ping('192.0.2.2', { expect: 'unreachable' }),
  ]);
  expect(results.map(({ ok }) => ok)).toEqual([false, false, false]);
  expect(results[0]?.detail).toMatch(/^no answer in \d\.\ds \(1 attempt\)$/);
  expect(results[1]?.detail).toMatch(/: message too long, mtu=1500$/);
  expect(results[2]?.detail).toMatch(/^must be unreachable, but answered: [\d.]+ ms$/);
});

test('ping: waits for a network that needs a moment', async () => {
  await must('ip', '-n', 'ckgw', 'link', 'set', 'wan', 'down');
  const running = check([ping('192.0.2.2')]);
  await new Promise((resolve) => setTimeout(resolve, 600));
  await must('ip', '-n', 'ckgw', 'link', 'set', 'wan', 'up');
  await must('ip', '-n', 'ckgw', 'address', 'add', '2001:db8::2/64', 'dev', 'wan', 'nodad');
  const [result] = await running;
  expect(result?.ok).toBe(true);
  expect(result?.milliseconds).toBeGreaterThan(500);
});

test.each(['tcp', 'udp'] as const)('%s: to an address, IPv6, and through a published port', async (kind) => {
  const results = await check([
    port(kind, '192.0.2.2', 4000),
    port(kind, '2001:db8::2', 4000),
    port(kind, '192.0.2.2', kind === 'tcp' ? 8080 : 5353),
  ]);
  expect(results.map(({ ok, detail }) => (ok ? 'ok' : detail))).toEqual(['ok', 'ok', 'ok']);
  const open = await run(['nsenter', '--net=/run/netns/ckweb', '--', 'ss', '-Hlntu']);
  expect(open.stdout).toBe('');
});

test.each(['tcp', 'udp'] as const)(
  '%s: dropped, refused, and answered where it must not be',
  async (kind) => {
    const results = await check([
      port(kind, '192.0.2.2', 7, { within: 500 }),
      port(kind, '192.0.2.2', 7, { expect: 'unreachable' }),
      port(kind, '192.0.2.2', 9, { expect: 'unreachable' }),
      port(kind, '192.0.2.2', kind === 'tcp' ? 8080 : 5353, { expect: 'unreachable' }),
      port(kind, '203.0.113.1', 80, { expect: 'unreachable' }),
    ]);
    expect(results.map(({ ok }) => ok)).toEqual([false, true, true, false, true]);
    expect(results[2]?.detail).toBe(kind === 'tcp' ? 'no answer: connection refused' : 'no answer');
    expect(results[4]?.detail).toBe('no answer: network is unreachable');
  },
);

test('tcp: a published port that leads nowhere fails', async () => {
  await must('nsenter', '--net=/run/netns/ckgw', '--', 'nft', 'flush', 'chain', 'inet', 'nat', 'prerouting');
  const [result] = await check([port('tcp', '192.0.2.2', 8080, { within: 500 })]);
  expect(result?.ok).toBe(false);
  expect(result?.detail).toMatch(/^no answer in \d\.\ds \(\d attempts?\): connection refused$/);
});

function check(checks: readonly Check[]): Promise<CheckResult[]> {
  const topology: Topology = checkTopology({ addresses, publish, checks });
  return runChecks(topology);
}

function ping(to: string, more: Partial<Check> = {}): Check {
  return checkOf({ kind: 'ping', from: 'ckisp', address: to, ...more });
}

function port(kind: 'tcp' | 'udp', to: string, number: number, more: Partial<Check> = {}): Check {
  return checkOf({ kind, from: 'ckisp', address: to, port: number, ...more });
}

async function address(namespace: string, device: string, prefixes: readonly string[]): Promise<void> {
  for (const prefix of prefixes) {
    const options = prefix.includes(':') ? ['nodad'] : [];
    await must('ip', '-n', namespace, 'address', 'add', prefix, 'dev', device, ...options);
  }
  await must('ip', '-n', namespace, 'link', 'set', device, 'up');
}

async function must(...argv: string[]): Promise<void> {
  const { code, stderr } = await run(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
}
