import { spawn } from 'node:child_process';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { ipEngine } from '../../src/engine/ip/engine.ts';
import { netlinkEngine } from '../../src/engine/netlink/engine.ts';
import { readDisciplines, sameSetting } from '../../src/kinds/discipline.ts';
import type { LiveNamespace } from '../../src/observe/live.ts';
import { expectCode, expectReachable, ifindex, ip, sh, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

/** A link whose first end has these settings. */
function lab(settings: string, link = ''): string {
  return folder.write(
    'impairments.yaml',
    `name: imp
namespaces: [a, b]
links:
  - { ${link} endpoints: { a:eth0: { addresses: 10.0.0.1/24, ${settings} }, b:eth0: { addresses: 10.0.0.2/24 } } }
`,
  );
}

interface Qdisc {
  readonly kind: string;
  readonly handle: string;
  readonly options: Readonly<Record<string, unknown>>;
}

function qdiscs(namespace: string, dev: string): Qdisc[] {
  return JSON.parse(sh('tc', '-n', namespace, '-j', 'qdisc', 'show', 'dev', dev)) as Qdisc[];
}

async function settle(file: string): Promise<void> {
  await expectCode(2, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
}

/** The milliseconds of a ping, on average. */
function roundTrip(count = 10): number {
  const text = sh('ip', 'netns', 'exec', 'a', 'ping', '-q', '-i', '0.05', '-c', String(count), '10.0.0.2');
  return Number(/= [\d.]+\/([\d.]+)\//.exec(text)?.[1]);
}

const everything =
  'delay: 50ms, jitter: 5ms, delay-correlation: 25%, distribution: pareto, loss: 1.2345%, loss-correlation: 20%, duplicate: 0.5%, duplicate-correlation: 10%, corrupt: 0.1%, corrupt-correlation: 5%, reorder: 25%, reorder-correlation: 50%, gap: 5, rate: 10mbit, limit: 5000,';
const cases: readonly string[] = [
  'delay: 10ms,',
  'delay: 20ms, jitter: 3ms,',
  'delay: 20ms, jitter: 3ms, delay-correlation: 30%,',
  'delay: 20ms, jitter: 3ms, distribution: normal,',
  'delay: 25ms, jitter: 4ms, distribution: normal,',
  'delay: 20ms, jitter: 3ms, distribution: paretonormal,',
  everything,
  'loss: 1%,',
  'loss: { gemodel: { p: 1%, r: 10%, 1-h: 70%, 1-k: 0.1% } },',
  'loss: { gemodel: { p: 2% } },',
  'loss: { state: { p13: 1%, p31: 20%, p32: 30%, p23: 40%, p14: 5% } },',
  'loss: { state: { p13: 3% } },',
  'loss: 2%, loss-correlation: 30%,',
  'duplicate: 1%,',
  'corrupt: 1%,',
  'delay: 10ms, reorder: 20%, reorder-correlation: 40%,',
  'delay: 123us, rate: 3.5mbit,',
  'rate: 10mbit,',
  'rate: 10mbit, burst: 32kb,',
  'rate: 12gbit, delay: 1ms,',
  'rate: 40gbit, burst: 4mb,',
  'rate: 100mbit, burst: 100kb, delay: 10ms, loss: 0.1%,',
  'rate: 50mbit, burst: 100kb, delay: 10ms, loss: 0.1%,',
  'rate: 50mbit, burst: 100kb, delay: 20ms, jitter: 1ms, distribution: normal,',
  'limit: 77,',
  '',
];

test('every setting changes to every next one on the same interface', async () => {
  await expectCode(0, 'apply', lab(''));
  const index = ifindex('a', 'eth0');
  for (const settings of cases) {
    const file = lab(settings);
    await settle(file);
    expect(ifindex('a', 'eth0')).toBe(index);
    // The long form says the same.
    const { stdout } = await expectCode(0, 'render', file);
    await expectCode(0, 'plan', '--detailed-exitcode', folder.write('long.yaml', stdout));
  }
  expect(qdiscs('a', 'eth0').map(({ kind }) => kind)).toEqual(['noqueue']);
});

test('both engines read every setting alike, and as tc was told', async () => {
  for (const settings of cases) {
    const file = lab(settings);
    await expectCode(0, 'apply', file);
    const request = { lab: 'imp', nat: new Set<string>(), sysctls: new Map<string, string[]>() };
    const [mine, reference] = await Promise.all(
      [netlinkEngine, ipEngine].map(async (engine) =>
        attributesOf((await engine.read(['a'], request)).get('a')),
      ),
    );
    expect(Object.keys(mine ?? {})).toEqual(Object.keys(reference ?? {}));
    for (const [name, value] of Object.entries(mine ?? {}))
      expect([name, sameSetting(name, value, reference?.[name])]).toEqual([name, true]);
  }
});

function attributesOf(namespace: LiveNamespace | undefined) {
  return readDisciplines((namespace?.qdiscs ?? []).filter(({ dev }) => dev === 'eth0'));
}

describe('what it does', () => {
  test('a delay on the link is one in each direction', async () => {
    await expectCode(0, 'apply', lab('', 'delay: 20ms,'));
    expect(roundTrip()).toBeGreaterThan(39);
    expect(roundTrip()).toBeLessThan(80);
    expect(qdiscs('b', 'eth0')[0]?.kind).toBe('netem');
  });

  test('an end overrides what its link says', async () => {
    await expectCode(0, 'apply', lab('delay: 60ms,', 'delay: 10ms, loss: 0.5%,'));
    expect(qdiscs('a', 'eth0')[0]?.options).toMatchObject({
      delay: { delay: 0.06 },
      'loss-random': { loss: 0.005 },
    });
    expect(qdiscs('b', 'eth0')[0]?.options).toMatchObject({ delay: { delay: 0.01 } });
  });

  test('what is received is delayed by way of ifb, and follows a change', async () => {
    await expectCode(0, 'apply', lab('ingress: { delay: 30ms },'));
    expect(roundTrip()).toBeGreaterThan(29);
    const index = ifindex('a', 'ifb-eth0');
    await settle(lab('ingress: { delay: 5ms, loss: 0.1% },'));
    expect(ifindex('a', 'ifb-eth0')).toBe(index);
    expect(roundTrip()).toBeLessThan(25);
    ip('a', 'link', 'del', 'dev', 'ifb-eth0');
    await settle(lab('ingress: { delay: 5ms, loss: 0.1% },'));
    sh('tc', '-n', 'a', 'qdisc', 'del', 'dev', 'eth0', 'ingress');
    await settle(lab('ingress: { delay: 5ms, loss: 0.1% },'));
    sh('tc', '-n', 'a', 'qdisc', 'replace', 'dev', 'eth0', 'ingress');
    sh('tc', '-n', 'a', 'filter', 'del', 'dev', 'eth0', 'ingress');
    await settle(lab('ingress: { delay: 5ms, loss: 0.1% },'));
    await settle(lab(''));
    expect(qdiscs('a', 'eth0').map(({ kind }) => kind)).toEqual(['noqueue']);
    expect(ip('a', 'link')).not.toContain('ifb');
  });

  test('loss, of many packets', async () => {
    // What waits for a lost answer of ARP would be lost too.
    await expectCode(0, 'apply', lab(''));
    expectReachable('a', '10.0.0.2');
    await expectCode(0, 'apply', lab('loss: 50%,'));
    const text = (() => {
      try {
        return sh('ip', 'netns', 'exec', 'a', 'ping', '-q', '-f', '-c', '400', '-w', '20', '10.0.0.2');
      } catch (error) {
        return String((error as { stdout?: string }).stdout);
      }
    })();
    const loss = Number(/([\d.]+)% packet loss/.exec(text)?.[1]);
    expect(loss).toBeGreaterThan(30);
    expect(loss).toBeLessThan(70);
  });

  for (const [name, settings] of [
    ['tbf', 'rate: 8mbit,'],
    ['netem', 'rate: 8mbit, delay: 1ms,'],
    ['tbf with netem', 'rate: 8mbit, burst: 8kb, delay: 1ms,'],
  ] as const) {
    test(`a rate by ${name}: a megabyte takes about a second`, async () => {
      await expectCode(0, 'apply', lab(settings));
      const seconds = await transfer();
      expect(seconds).toBeGreaterThan(0.8);
      // The machine may be busy, but twice the rate it must not be.
      expect(seconds).toBeLessThan(6);
    });
  }
});

const server = `
const server = require('node:net').createServer((socket) => {
  let count = 0;
  socket.on('data', (part) => { count += part.length; if (count >= 1e6) socket.end('done'); });
});
server.listen(7000, '10.0.0.2', () => console.log('listening'));`;
const client = `
const socket = require('node:net').connect(7000, '10.0.0.2', () => { start = performance.now(); socket.write(Buffer.alloc(1e6)); });
let start = 0;
socket.on('data', () => { console.log((performance.now() - start) / 1000); process.exit(0); });`;

/** Seconds that a megabyte of TCP takes from a to b. */
async function transfer(): Promise<number> {
  const listener = spawn('ip', ['netns', 'exec', 'b', process.execPath, '-e', server]);
  try {
    await new Promise((resolve) => listener.stdout.once('data', resolve));
    return Number(sh('ip', 'netns', 'exec', 'a', process.execPath, '-e', client));
  } finally {
    listener.kill();
  }
}

test('an experiment is drift, and the next apply undoes it', async () => {
  const file = lab('delay: 5ms, loss: 1%,', 'limit: 900,');
  await expectCode(0, 'apply', file);
  await expectCode(0, 'impair', 'a:eth0', 'delay=20ms', 'jitter=1ms', 'distribution=normal');
  expect(qdiscs('a', 'eth0')[0]).toMatchObject({ handle: '7471:', options: { delay: { delay: 0.02 } } });
  const { stdout } = await expectCode(2, 'status', '--detailed-exitcode', file);
  expect(stdout).toMatch(/delay: 20ms -> 5ms/);
  expect(stdout).toMatch(/loss: none -> 1%/);
  await settle(file);
  await expectCode(0, 'impair', 'b:eth0--a:eth0', 'loss=gemodel:1%,10%,70%,0.1%');
  expect(qdiscs('b', 'eth0')[0]?.options).toMatchObject({ 'loss-gemodel': { p: 0.01, r: 0.1 } });
  const list = await expectCode(0, 'impair');
  expect(list.stdout).toMatch(
    /1 +imp +a:eth0--b:eth0 +a:eth0 +loss gemodel p 1% r 10% 1-h 70% 1-k 0.1%, limit 1000/,
  );
  await expectCode(0, 'impair', '1', '--clear');
  expect(qdiscs('b', 'eth0')[0]?.kind).toBe('noqueue');
  await expectCode(0, 'impair', 'a:eth0', 'rate=5mbit', '--both', '--dry-run');
  expect(qdiscs('b', 'eth0')[0]?.kind).toBe('noqueue');
  await settle(file);
});

test('a change loses no packet that waits', async () => {
  await expectCode(0, 'apply', lab('delay: 1s,'));
  const ping = spawn('ip', [
    'netns',
    'exec',
    'a',
    'ping',
    '-q',
    '-i',
    '0.01',
    '-c',
    '100',
    '-W',
    '5',
    '10.0.0.2',
  ]);
  let text = '';
  ping.stdout.on('data', (part) => {
    text += String(part);
  });
  const end = new Promise((resolve) => ping.once('close', resolve));
  await new Promise((resolve) => setTimeout(resolve, 300));
  await expectCode(0, 'apply', lab('delay: 900ms,'));
  await end;
  expect(text).toContain('100 received');
});

describe('what others did', () => {
  test('a discipline that was put on a link of ours by hand is drift', async () => {
    const file = lab('');
    await expectCode(0, 'apply', file);
    sh('tc', '-n', 'a', 'qdisc', 'add', 'dev', 'eth0', 'root', 'netem', 'delay', '10ms');
    const { stdout } = await expectCode(2, 'status', '--detailed-exitcode', file);
    expect(stdout).toContain('- impairment of eth0');
    await settle(file);
    await expectCode(0, 'apply', lab('delay: 5ms,'));
    for (const words of [
      ['netem', 'delay', '5ms'],
      ['htb', 'default', '1'],
      ['tbf', 'rate', '1mbit', 'burst', '5000', 'limit', '5000'],
    ]) {
      sh('tc', '-n', 'a', 'qdisc', 'replace', 'dev', 'eth0', 'root', 'handle', '99:', ...words);
      await settle(lab('delay: 5ms,'));
    }
    sh('tc', '-n', 'a', 'qdisc', 'del', 'dev', 'eth0', 'root');
    await settle(lab('delay: 5ms,'));
    expect(qdiscs('a', 'eth0')[0]).toMatchObject({ kind: 'netem', handle: '7470:' });
  });

  test('a link of nobody keeps its own', async () => {
    sh('ip', 'link', 'add', 'foreign0', 'type', 'veth', 'peer', 'name', 'foreign1');
    try {
      sh('tc', 'qdisc', 'add', 'dev', 'foreign0', 'root', 'netem', 'delay', '10ms');
      await expectCode(0, 'apply', lab('delay: 5ms,'));
      await expectCode(0, 'destroy', 'imp');
      expect(sh('tc', 'qdisc', 'show', 'dev', 'foreign0')).toContain('netem');
      const refused = await topoweave('impair', 'host:foreign0', 'delay=1ms');
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain('belongs to no lab');
    } finally {
      sh('ip', 'link', 'del', 'foreign0');
    }
  });
});
