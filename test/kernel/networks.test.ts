import { existsSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  dump,
  expectCode,
  expectReachable,
  ifindex,
  ip,
  namespaces,
  sh,
  topoweave,
  workFolder,
} from '../support/host.ts';

const folder = workFolder();
let before = '';

/** A machine with a packet filter and a NAT of its own. */
const foreign = `
table ip nat {
  chain prerouting { type nat hook prerouting priority dstnat; policy accept; tcp dport 9 dnat to 198.51.100.9; }
  chain postrouting { type nat hook postrouting priority srcnat; policy accept; ip saddr 198.51.100.0/24 masquerade; }
}
table inet filter {
  set admins { type ipv4_addr; flags interval; elements = { 198.51.100.0/24 } }
  chain input { type filter hook input priority filter; policy accept; ip saddr @admins counter drop; }
  chain forward { type filter hook forward priority filter; policy accept; ct state invalid ip saddr 198.51.100.0/24 drop; }
}
`;

beforeEach(() => {
  sh('nft', '-f', folder.write('foreign.nft', foreign));
  before = dump();
});
afterEach(async () => {
  await topoweave('destroy', '--all');
  sh('nft', 'flush', 'ruleset');
});
afterAll(() => folder.remove());

const write = (text: string) => folder.write('lab.yaml', text);

async function settle(file: string): Promise<string> {
  const { stdout } = await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  return stdout;
}

/** The rules of the machine that are not the lab's. */
function foreignRules(): string {
  const tables = sh('nft', 'list', 'ruleset').split(/^(?=table )/m);
  return tables.filter((table) => !/^table \w+ topoweave-/.test(table)).join('');
}

/** One ping, of which nothing may come back. */
function expectNoAnswer(from: string, to: string): void {
  expect(() => sh('ip', 'netns', 'exec', from, 'ping', '-q', '-c1', '-W1', to)).toThrow();
}

function addressesOf(namespace: string): string[] {
  const links = JSON.parse(ip(namespace, '-j', 'address')) as {
    ifname: string;
    addr_info: { local: string; scope: string }[];
  }[];
  return links
    .filter(({ ifname }) => ifname !== 'lo')
    .flatMap(({ addr_info: list }) =>
      list.filter(({ scope }) => scope === 'global').map(({ local }) => local),
    );
}

describe('a network', () => {
  const lab = (members: string, more = '') => `name: lab
namespaces: [web, db, cache, outside]
networks:
  lan:
    subnet: [172.30.0.0/16, "fd00:30::/64"]
    members: { ${members} }
${more}links:
  - endpoints: { host:uplink: 192.0.2.1/24, outside:eth0: 192.0.2.2/24 }
`;

  test("leaves the machine's own rules alone, byte by byte, and goes without a trace", async () => {
    const rules = foreignRules();
    const file = write(lab('web: { publish: ["8080:80"] }, db: null'));
    await settle(file);
    expect(foreignRules()).toBe(rules);
    expectReachable('web', '192.0.2.2');
    expectReachable('web', addressesOf('db')[0] ?? '');
    expect(sh('sysctl', '-n', 'net.ipv4.ip_forward').trim()).toBe('1');
    await settle(
      write(lab('web: { publish: ["8081:80"], macaddress: from-ip }, cache: null', '    isolation: all\n')),
    );
    expect(foreignRules()).toBe(rules);
    await expectCode(0, 'destroy', file);
    expect(foreignRules()).toBe(rules);
    expect(dump()).toBe(before);
  });

  test('a member that comes or goes touches no other one', async () => {
    await settle(write(lab('web: null, db: null')));
    const [index, port, addresses] = [
      ifindex('web', 'eth0'),
      ifindex('host', 'web-eth0'),
      addressesOf('web'),
    ];
    expect(addresses).toHaveLength(2);
    const more = await settle(write(lab('cache: null, web: null, db: null')));
    expect(more).not.toMatch(/\bweb\b|\bdb\b/);
    expectReachable('cache', addresses[0] ?? '');
    await settle(write(lab('cache: null, web: null')));
    expect([ifindex('web', 'eth0'), ifindex('host', 'web-eth0'), addressesOf('web')]).toEqual([
      index,
      port,
      addresses,
    ]);
  });

  test('an isolated one lets members reach the router and nobody else; it is switched in place', async () => {
    const text = (isolation: string) =>
      lab('web: 172.30.0.10, db: 172.30.0.20', `    isolation: ${isolation}\n`);
    await settle(write(text('none')));
    const index = ifindex('host', 'web-eth0');
    expectReachable('web', '172.30.0.20');
    await settle(write(text('all')));
    expectReachable('web', '172.30.0.1');
    expectReachable('web', '192.0.2.2');
    expectNoAnswer('web', '172.30.0.20');
    await settle(write(text('none')));
    expectReachable('web', '172.30.0.20');
    expect(ifindex('host', 'web-eth0')).toBe(index);
  });

  test('leaves with the fixed address that it says', async () => {
    const text = (masquerade: string) => `name: lab
namespaces:
  web: {}
  outside: { routes: [{ to: 192.0.2.1/32, type: blackhole }] }
networks:
  lan: { subnet: 172.30.0.0/16, members: [web], masquerade: ${masquerade} }
links:
  - endpoints: { host:uplink: [192.0.2.1/24, 192.0.2.3/24], outside:eth0: 192.0.2.2/24 }
`;
    await settle(write(text('192.0.2.3')));
    expectReachable('web', '192.0.2.2');
    await settle(write(text('true')));
    expectNoAnswer('web', '192.0.2.2');
    await settle(write(text('false')));
    expectNoAnswer('web', '192.0.2.2');
  });

  test('without masquerade is a network without a rule', async () => {
    const file = 'topologies/network-no-rules.yaml';
    await expectCode(0, 'apply', file);
    for (const name of namespaces())
      expect(sh('ip', 'netns', 'exec', name, 'nft', 'list', 'ruleset')).toBe('');
    expect(sh('nft', 'list', 'tables')).not.toContain('topoweave');
    await expectCode(0, 'destroy', file);
    expect(dump()).toBe(before);
  });

  test('keeps apart all but the pairs that are listed, also when br_netfilter shows them to the router', async () => {
    const text = (allow: string, checks: string) => `name: lab
namespaces: [web, db, other]
networks:
  lan:
    subnet: [172.30.0.0/16, "fd00:30::/64"]
    isolation: { allow: [${allow}] }
    members: { web: null, db: "fd00:30::db", other: null }
checks:
  - ping: { from: other, to: 172.30.0.1 }
${checks}`;
    const one = `  - tcp: { from: web, to: "db:5432" }
  - tcp: { from: web, to: "[fd00:30::db]:5432" }
  - tcp: { from: web, to: "db:22", expect: unreachable, within: 1s }
  - ping: { from: other, to: db, expect: unreachable, within: 1s }
`;
    const two = `  - ping: { from: other, to: db }
  - tcp: { from: web, to: "db:5432", expect: unreachable, within: 1s }
`;
    const index = () => ['web', 'db', 'other'].map((name) => ifindex('host', `${name}-eth0`));
    const first = write(text('{ from: web, to: db, ports: [5432] }', one));
    await settle(first);
    const before = index();
    const switches = ['iptables', 'ip6tables'].map((name) => `net.bridge.bridge-nf-call-${name}`);
    for (const value of existsSync('/proc/sys/net/bridge') ? [0, 1] : ['no br_netfilter']) {
      if (typeof value === 'number') for (const name of switches) sh('sysctl', '-qw', `${name}=${value}`);
      await expectCode(0, 'check', first);
    }
    const second = write(text('{ from: other, to: db, ports: [icmp] }', two));
    await settle(second);
    await expectCode(0, 'check', second);
    expect(index()).toEqual(before);
  });

  test('two do not reach each other, and a rule of the file makes an exception', async () => {
    const text = (rules: string, expected: string) => `name: lab
namespaces: { a: {}, b: {}${rules} }
networks:
  one: { subnet: 172.30.0.0/16, members: { a: 172.30.0.2 } }
  two: { subnet: 172.31.0.0/16, members: { b: 172.31.0.2 } }
checks:
  - ping: { from: a, to: b, expect: unreachable, within: 1s }
  - ping: { from: b, to: a, expect: unreachable, within: 1s }
  - tcp: { from: a, to: "b:80", expect: ${expected}, within: 4s }
  - tcp: { from: b, to: "a:80", expect: unreachable, within: 1s }
`;
    const closed = write(text('', 'unreachable'));
    await settle(closed);
    await expectCode(0, 'check', closed);
    const rule = '{ in: one, out: two, protocol: tcp, port: 80, action: accept }';
    const open = write(text(`, host: { firewall: { forward: { rules: [${rule}] } } }`, 'reachable'));
    await settle(open);
    await expectCode(0, 'check', open);
    await expectCode(0, 'destroy', open);
    expect(dump()).toBe(before);
  });

  test('an internal one is closed, whatever its members try', async () => {
    const file = write(`name: lab
namespaces:
  a: { routes: { default: 172.30.0.1 } }
  b: {}
  outside: { routes: { 172.30.0.0/16: 192.0.2.1 } }
networks:
  vault: { subnet: 172.30.0.0/16, members: [a], internal: true }
  open: { subnet: 172.31.0.0/16, members: { b: { publish: ["8080:80"] } } }
links:
  - endpoints: { host:uplink: 192.0.2.1/24, outside:eth0: 192.0.2.2/24 }
checks:
  - ping: { from: a, to: 172.30.0.1 }
  - tcp: { from: outside, to: "192.0.2.1:8080" }
  - ping: { from: a, to: 192.0.2.2, expect: unreachable, within: 1s }
  - ping: { from: outside, to: a, expect: unreachable, within: 1s }
  - ping: { from: a, to: b, expect: unreachable, within: 1s }
  - tcp: { from: a, to: "192.0.2.1:8080", expect: unreachable, within: 1s }
`);
    await settle(file);
    await expectCode(0, 'check', file);
  });

  test('publishes what members say, and keeps the numbers that are chosen', async () => {
    const text = (more: string) => `name: lab
namespaces: [web, db, outside]
networks:
  lan:
    subnet: 172.30.0.0/16
    publish-address: 192.0.2.1
    members: { web: { publish: ["8080:80", "81"], expose: [90], publish-all: true }${more} }
links:
  - endpoints: { host:uplink: [192.0.2.1/24, 192.0.2.5/24], outside:eth0: 192.0.2.2/24 }
checks:
  - tcp: { from: outside, to: "192.0.2.1:8080" }
  - tcp: { from: outside, to: "192.0.2.5:8080", expect: unreachable, within: 1s }
`;
    const ports = async () => (await expectCode(0, 'ports', 'lab', 'web')).stdout;
    const file = write(text(''));
    await settle(file);
    await expectCode(0, 'check', file);
    const chosen = await ports();
    expect(chosen.match(/192\.0\.2\.1:\d+/g)).toHaveLength(3);
    await settle(write(text(', db: { publish: [80] }')));
    expect(await ports()).toBe(chosen);
  });

  test('in several, the default route is that of the highest priority', async () => {
    const text = (priority: number) => `name: lab
namespaces: [m]
networks:
  a: { subnet: 10.1.0.0/24, members: [m] }
  b: { subnet: 10.2.0.0/24, members: { m: { priority: ${priority}, interface: lan0 } } }
`;
    await settle(write(text(1)));
    expect(ip('m', 'route', 'show', 'default')).toContain('via 10.2.0.1 dev lan0');
    await settle(write(text(-1)));
    expect(ip('m', 'route', 'show', 'default')).toContain('via 10.1.0.1 dev eth0');
  });

  test('on a bridge of the machine, which keeps what it has', async () => {
    // A port of its own, so that it has a carrier all the time.
    for (const line of [
      'link add br7 address 02:00:00:00:00:07 type bridge',
      'link add p0 type veth peer name p1',
      'link set p0 master br7 up',
      'link set p1 up',
      'address add 10.7.0.1/24 dev br7',
      'link set br7 up',
    ])
      ip('host', ...line.split(' '));
    sh('sleep', '1');
    const own = dump();
    const file = write(`name: lab
namespaces: [a, b]
bridges: { br7: { adopt: true, addresses: 10.8.0.1/24 } }
networks: { lan: { bridge: br7, subnet: 10.7.0.0/24, gateway: 10.7.0.1, members: [a, b], masquerade: false } }
`);
    await settle(file);
    const [b] = addressesOf('b');
    expectReachable('a', b ?? '');
    expectReachable('a', '10.7.0.1');
    expectReachable('a', '10.8.0.1');
    await expectCode(0, 'destroy', file);
    expect(dump()).toBe(own);
    ip('host', 'link', 'del', 'br7');
    expect((await expectCode(1, 'plan', file)).stderr).toContain('the host has no interface br7 to adopt');
    ip('host', 'link', 'set', 'p1', 'down');
    ip('host', 'link', 'set', 'p1', 'name', 'br7');
    expect((await expectCode(1, 'apply', file)).stderr).toContain('br7 of the host is veth and no bridge');
    ip('host', 'link', 'del', 'p0');
  });
});

describe('subnets of the machine', () => {
  const file = () =>
    write(`name: lab
namespaces: [m]
networks: { lan: { subnet: [10.30.0.0/16, "fd00:30::/64"], members: [m] } }
`);

  test.each([
    ['a route', ['route', 'add', '10.30.7.0/24', 'dev', 'd0'], 'the route to 10.30.7.0/24 (over d0)'],
    [
      'a route to more',
      ['route', 'add', '10.0.0.0/8', 'via', '198.51.100.9'],
      'the route to 10.0.0.0/8 (via 198.51.100.9)',
    ],
    [
      'a route to nowhere',
      ['route', 'add', 'blackhole', '10.30.0.0/17'],
      'the route to 10.30.0.0/17 (blackhole)',
    ],
    ['an address', ['address', 'add', '10.30.1.1/32', 'dev', 'd0'], 'the address 10.30.1.1/32 of d0'],
    ['IPv6', ['address', 'add', 'fd00:30::9/128', 'dev', 'd0'], 'the address fd00:30::9/128 of d0'],
  ])('%s that a network overlaps is a conflict, and nothing is done', async (_, line, holder) => {
    for (const text of ['link add d0 type bridge', 'address add 198.51.100.1/24 dev d0', 'link set d0 up'])
      ip('host', ...text.split(' '));
    ip('host', ...line);
    const taken = dump();
    for (const command of ['plan', 'apply']) {
      const { stderr } = await expectCode(1, command, file());
      expect(stderr).toContain(`of lan overlaps ${holder}`);
      expect(stderr).toMatch(/lab\.yaml:3\b/);
    }
    expect(dump()).toBe(taken);
    ip('host', ...line.map((word) => (word === 'add' ? 'del' : word)));
    await settle(file());
    // Who comes later is not in the way of what is there.
    ip('host', ...line);
    await expectCode(0, 'plan', '--detailed-exitcode', file());
    await expectCode(0, 'destroy', 'lab');
    ip('host', 'link', 'del', 'd0');
    if (line.includes('blackhole')) ip('host', ...line.map((word) => (word === 'add' ? 'del' : word)));
  });

  test('the subnet of a link from a pool must be free too', async () => {
    ip('host', 'link', 'add', 'd0', 'type', 'bridge');
    ip('host', 'address', 'add', '10.255.0.1/16', 'dev', 'd0');
    const lab = write(`name: lab
namespaces: [m]
pools: { p: { subnet: 10.255.0.0/16 } }
defaults: { pool: p }
links: [[host:m0, m:eth0]]
`);
    const { stderr } = await expectCode(1, 'apply', lab);
    expect(stderr).toMatch(/of m0 overlaps the address 10\.255\.0\.1\/16 of d0.*lab\.yaml:5/);
    ip('host', 'link', 'del', 'd0');
    await settle(lab);
  });

  test('what another lab has is a conflict that names it; default routes are none', async () => {
    for (const text of ['link add d0 type bridge', 'address add 198.51.100.1/24 dev d0', 'link set d0 up'])
      ip('host', ...text.split(' '));
    for (const to of ['default', '0.0.0.0/1', '128.0.0.0/1'])
      ip('host', 'route', 'add', to, 'via', '198.51.100.9');
    const other = folder.write(
      'other.yaml',
      'name: other\nnamespaces: [n]\nlinks: [{ endpoints: { host:o0: 10.30.9.1/24, n:eth0: 10.30.9.2/24 } }]\n',
    );
    await settle(other);
    expect((await expectCode(1, 'apply', file())).stderr).toContain("of the lab 'other'");
    await expectCode(0, 'destroy', other);
    await settle(file());
    ip('host', 'link', 'del', 'd0');
  });
});

test('links from a pool: no address in the file, and the same ones after a change', async () => {
  const text = (links: string) => `name: lab
namespaces: [a, b, c]
pools: { p: { subnet: 10.255.0.0/16 }, six: { subnet: "fd00:255::/48" } }
defaults: { pool: [p, six] }
links: [${links}]
`;
  await settle(write(text('[a:b, b:a], [b:c, c:b]')));
  const addresses = addressesOf('a');
  expect(addresses).toHaveLength(2);
  for (const address of addresses) expectReachable('b', address);
  const index = ifindex('a', 'b');
  await settle(write(text('[c:a, a:c], [b:a, a:b]')));
  expect(addressesOf('b')).toHaveLength(2);
  expect(ifindex('a', 'b')).toBe(index);
  for (const address of addresses) expectReachable('b', address);
  await expectCode(0, 'destroy', 'lab');
  expect(dump()).toBe(before);
});

test('members find each other by the aliases that the network gives them', async () => {
  const file = folder.write(
    'aliases.yaml',
    'name: aliases\nnamespaces: { web: { aliases: [www] }, db: {} }\nnetworks: { lan: { subnet: 10.7.0.0/24, members: { web: 10.7.0.2, db: { addresses: 10.7.0.3, aliases: [database, store] } } } }\n',
  );
  await expectCode(0, 'apply', file);
  expect(readFileSync('/etc/netns/web/hosts', 'utf8')).toMatch(/^10\.7\.0\.3\s+db database store$/m);
  expect(readFileSync('/etc/netns/db/hosts', 'utf8')).toMatch(/^10\.7\.0\.2\s+web www$/m);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'destroy', file);
  expect(existsSync('/etc/netns/web')).toBe(false);
});
