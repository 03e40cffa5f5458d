import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dump, expectCode, sh, topoweave, workFolder } from '../support/host.ts';

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
