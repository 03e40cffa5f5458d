import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dump, engineName, expectCode, sh, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
let before = '';
beforeEach(() => {
  before = dump();
});
afterEach(async () => {
  await topoweave('destroy', '--all');
  expect(dump()).toBe(before);
});
afterAll(() => folder.remove());

const office = 'topologies/firewall.yaml';
const bridged = 'topologies/firewall-bridge.yaml';

interface Explained {
  readonly verdict: string;
  readonly summary: string;
  readonly hops: readonly {
    readonly namespace: string;
    readonly role: string;
    readonly in: string | null;
    readonly rules: readonly { readonly chain: string; readonly rule: string; readonly own: boolean }[];
    readonly rewritten: readonly string[];
  }[];
}

async function explained(from: string, to: string, code = 1): Promise<Explained> {
  const { stdout } = await expectCode(code, 'explain', '--json', from, to);
  return JSON.parse(stdout) as Explained;
}

function way({ hops }: Explained): string {
  return hops.map(({ namespace, role }) => `${namespace} ${role}`).join(', ');
}

describe('a router with a packet filter', () => {
  beforeEach(async () => {
    await expectCode(0, 'apply', office);
    await expectCode(0, 'check', office);
  });

  test('an answered ping, over a bridge', async () => {
    const found = await explained('alice', 'web', 0);
    expect(found.verdict).toBe('answered');
    expect(way(found)).toBe('alice sends, gw bridges, web receives');
  });

  test('a policy drops it', async () => {
    const found = await explained('guest', 'web:80');
    expect(found.verdict).toBe('dropped');
    expect(found.summary).toBe(
      'gw drops it: no rule of chain forward of table inet topoweave-firewall_firewall accepts it, and its policy is drop',
    );
    expect(way(found)).toBe('guest sends, gw forwards');
  });

  test('a rule rejects it', async () => {
    const found = await explained('web', '10.0.1.1:22');
    expect(found.verdict).toBe('dropped');
    expect(found.summary).toContain('gw rejects it in chain input');
    expect(found.hops.at(-1)?.rules.map(({ chain }) => chain)).toEqual(['input']);
  });

  test('NAT leads it on, and nothing listens', async () => {
    const found = await explained('world', '192.0.2.2:8080');
    expect(found.verdict).toBe('refused');
    expect(found.summary).toBe('it gets to web, where nothing listens on port 80');
    expect(way(found)).toBe('world sends, gw forwards, web receives');
    expect(found.hops[1]?.rewritten).toEqual(['destination 192.0.2.2:8080 becomes 10.0.1.3:80']);
  });

  test('no route', async () => {
    const found = await explained('web', '10.99.0.1');
    expect(found.verdict).toBe('unreachable');
    expect(found.summary).toContain('world does not forward to 10.99.0.1');
  });

  test("a stranger's rule", async () => {
    sh(
      'ip',
      'netns',
      'exec',
      'world',
      'nft',
      'table ip mine { chain c { type filter hook input priority 0; udp dport 53 drop; }; }',
    );
    const found = await explained('alice', '192.0.2.1:53/udp');
    expect(found.verdict).toBe('dropped');
    expect(found.summary).toBe('world drops it in chain c of table ip mine, by the rule: udp dport 53 drop');
    expect(found.hops.at(-1)?.rules).toMatchObject([{ own: false }]);
  });

  test('as text', async () => {
    const { stdout } = await expectCode(1, 'explain', 'world', '192.0.2.2:8080');
    expect(stdout).toMatch(/^gw forwards$/m);
    expect(stdout).toMatch(/^ {2}rule {5}forward: ct status dnat accept {2}# what gw publishes$/m);
    expect(stdout).toMatch(/^refused: it gets to web/m);
  });

  test('what cannot be asked', async () => {
    for (const words of [
      ['nobody', 'web'],
      ['alice', 'nobody'],
      ['alice', '10.0.1.3:0'],
      ['alice', '10.0.1.3/tcp'],
    ])
      expect((await topoweave('explain', ...words)).code).toBe(64);
  });

  test('from the machine itself, where there is one lab', async () => {
    const { stdout } = await topoweave('explain', 'host', '127.0.0.1:9');
    expect(stdout).toMatch(/^refused: it gets to host/m);
  });
});

test('the answer is dropped where the question came from', async () => {
  const file = folder.write(
    'answer.yaml',
    `name: lab
namespaces:
  a: { firewall: { input: { policy: drop } } }
  b: {}
networks: { n: { subnet: 10.90.0.0/24, members: [a, b] } }
`,
  );
  await expectCode(0, 'apply', file);
  const { stdout } = await topoweave('explain', 'a', 'b');
  expect(stdout).toMatch(
    /the answer\nb sends\n {2}out +eth0\nhost passes it through a bridge\n {2}in +b-eth0\n {2}out +a-eth0\na receives\n {2}in +eth0\ndropped: the answer is lost: a drops it/,
  );
});

test('a rule of a bridge drops it', async () => {
  await expectCode(0, 'apply', bridged);
  await expectCode(0, 'check', bridged);
  const found = await explained('other', '172.30.0.3:5432');
  expect(found.verdict).toBe('dropped');
  expect(found.summary).toContain(
    'host drops it in chain forward of table bridge topoweave-firewall-bridge_firewall',
  );
  const other = await explained('web', '172.30.0.3:5432');
  expect(other.verdict).toBe('refused');
  expect(other.hops[1]?.rules.map(({ chain }) => chain)).toContain('forward');
});

test('over a tunnel between bridges', async () => {
  await expectCode(0, 'apply', 'topologies/vxlan.yaml');
  await expectCode(0, 'check', 'topologies/vxlan.yaml');
  const found = await explained('a1', '172.20.2.1', 0);
  expect(way(found)).toBe('a1 sends, site1 bridges, site2 bridges, b1 receives');
});

test('a way out of the lab is not taken', async () => {
  sh('ip', 'link', 'add', 'out0', 'type', 'veth', 'peer', 'name', 'out1');
  sh('ip', 'address', 'add', '198.51.100.1/24', 'dev', 'out0');
  sh('ip', 'link', 'set', 'out0', 'up');
  sh('ip', 'link', 'set', 'out1', 'up');
  const file = folder.write(
    'out.yaml',
    'name: lab\nnamespaces: { host: { forwarding: [ipv4] }, a: { routes: { default: 10.0.0.1 } } }\nlinks: [{ endpoints: { host:lan0: 10.0.0.1/24, a:eth0: 10.0.0.2/24 } }]\n',
  );
  await expectCode(0, 'apply', file);
  const found = await explained('a', '198.51.100.9');
  expect(found.verdict).toBe('not-sent');
  expect(found.summary).toContain('it would leave the lab by out0');
  await expectCode(0, 'destroy', file);
  sh('ip', 'link', 'del', 'out0');
});

const routed = `name: routed
namespaces:
  a: { routes: { default: 10.0.0.1 } }
  r:
    forwarding: true
    firewall:
      forward:
        policy: drop
        rules: [{ state: [established, related], action: accept }, { protocol: tcp, port: 80, action: accept }]
  b: { routes: { default: 10.0.1.1 } }
links:
  - endpoints: { a:eth0: 10.0.0.2/24, r:l: 10.0.0.1/24 }
  - endpoints: { b:eth0: 10.0.1.2/24, r:x: 10.0.1.1/24 }
`;

/** A server that ends each connection at once, so that the flow has packets of all kinds. */
async function serve(namespace: string, port: number): Promise<ChildProcess> {
  const program = `require('net').createServer((s) => s.end()).listen(${port}, () => console.log('ready'))`;
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

describe('a connection through a router', () => {
  const file = folder.write('routed.yaml', routed);
  let server: ChildProcess;
  beforeEach(async () => {
    await expectCode(0, 'apply', file);
    server = await serve('b', 80);
  });
  afterEach(() => end(server));

  test('rules are those of the packet that opens it, not of later ones', async () => {
    for (let round = 0; round < 6; round += 1) {
      const found = await explained('a', 'b:80', 0);
      expect(found.hops[1]?.rules.map(({ rule }) => rule.replace(/ comment .*/, ''))).toEqual([
        'tcp dport 80 accept',
      ]);
    }
  });

  test('the answer of a server is followed too', async () => {
    sh(
      'ip',
      'netns',
      'exec',
      'a',
      'nft',
      'table ip mine { chain c { type filter hook input priority 0; drop; }; }',
    );
    const found = await explained('a', 'b:80');
    expect(found.summary).toBe(
      'the answer is lost: a drops it in chain c of table ip mine, by the rule: drop',
    );
  });
});

/** Where tables of explain are, and the programs that listen to them. */
function remains(): string[] {
  const spaces = ['host', ...readdirSync('/run/netns')];
  const tables = spaces.filter((name) => {
    const enter = name === 'host' ? [] : [`--net=/run/netns/${name}`];
    return sh('nsenter', ...enter, '--', 'nft', 'list', 'tables').includes('topoweave_explain');
  });
  return [...tables, ...programs('nft monitor trace')];
}

function programs(line: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      return /^\d+$/.test(pid) && text.endsWith(line) ? [`${pid} ${text}`] : [];
    } catch {
      return [];
    }
  });
}

function start(...words: string[]): { readonly child: ChildProcess; readonly ended: Promise<number | null> } {
  const child = spawn(process.execPath, ['dist/topoweave.js', 'explain', ...words], {
    stdio: 'ignore',
    env: { ...process.env, TOPOWEAVE_ENGINE: engineName },
    detached: true,
  });
  return { child, ended: new Promise((resolve) => child.once('exit', (code) => resolve(code))) };
}

/** As Ctrl-C: to all programs of the group. */
function signal({ pid }: ChildProcess, name: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, name);
  } catch {
    // It has ended.
  }
}

describe('when it is stopped', () => {
  const file = folder.write('stopped.yaml', routed.replace('name: routed', 'name: stopped'));
  beforeEach(async () => {
    await expectCode(0, 'apply', file);
  });

  test('an interruption leaves nothing, whenever it comes', async () => {
    const codes = new Set<number | null>();
    for (let milliseconds = 100; milliseconds <= 1500; milliseconds += 130) {
      // Nobody has the address, so it waits for an answer.
      const { child, ended } = start('a', '10.0.1.9:80');
      await Promise.race([ended, setTimeout(milliseconds)]);
      signal(child, milliseconds % 20 === 0 ? 'SIGTERM' : 'SIGINT');
      await setTimeout(15);
      // Somebody who is impatient.
      signal(child, 'SIGINT');
      codes.add(await ended);
      expect(remains()).toEqual([]);
    }
    expect([...codes]).toEqual(expect.arrayContaining([130, 143]));
    expect(existsSync('/run/topoweave/explain.tables')).toBe(false);
  });

  test('what one that was killed left harms nobody, and the next one takes it away', async () => {
    const { child, ended } = start('a', '10.0.1.9:80');
    const deadline = Date.now() + 20_000;
    while (!remains().some((name) => name === 'r')) {
      if (Date.now() > deadline) throw new Error('no table');
      await setTimeout(20);
    }
    await setTimeout(100);
    signal(child, 'SIGKILL');
    await ended;
    await setTimeout(300);
    // The tables are there, and no program.
    expect(remains()).toEqual(expect.arrayContaining(['a', 'r']));
    expect(remains().filter((name) => /nft/.test(name))).toEqual([]);
    const { stdout } = await expectCode(0, 'plan', '--detailed-exitcode', file);
    expect(stdout).toContain('No changes');
    // The next one goes another way.
    await expectCode(0, 'explain', 'b', '10.0.1.1');
    expect(remains()).toEqual([]);
  });

  test('destroy takes a namespace with such a table', async () => {
    sh('ip', 'netns', 'exec', 'r', 'nft', 'add table inet topoweave_explain');
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    await expectCode(0, 'destroy', file);
  });

  test('two at a time wait for each other', async () => {
    const runs = [start('a', '10.0.1.1'), start('b', '10.0.1.1'), start('a', '10.0.0.1')];
    expect(await Promise.all(runs.map(({ ended }) => ended))).toEqual([0, 0, 0]);
    expect(remains()).toEqual([]);
  });
});
