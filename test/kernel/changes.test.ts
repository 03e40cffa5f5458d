import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { expectCode, ifindex, ip, sh, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

interface Options {
  readonly link?: string;
  readonly left?: string;
  readonly right?: string;
  readonly routes?: string;
  readonly more?: string;
}

function pair({
  link = '',
  left = '{ addresses: 10.0.0.1/24 }',
  right = '{ addresses: 10.0.0.2/24 }',
  routes = '[]',
  more = '',
}: Options = {}): string {
  return folder.write(
    'pair.yaml',
    `name: pair
namespaces:
  a: { routes: ${routes} }
  b: {}
links:
  - endpoints:
      a:eth0: ${left}
      b:eth0: ${right}
${link}${more}`,
  );
}

/** Applies the second file over the first one; the file must converge and say what `expected` says. */
async function change(before: string, after: () => string, expected: RegExp): Promise<string> {
  await expectCode(0, 'apply', before);
  const file = after();
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', file);
  expect(stdout).toMatch(expected);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  return stdout;
}

describe('what the kernel changes in place keeps its ifindex', () => {
  const inPlace: readonly (readonly [string, Options, RegExp])[] = [
    ['mtu', { left: '{ addresses: 10.0.0.1/24, mtu: 1400 }' }, /~ veth eth0[^\n]*\n\s+mtu: 1500 -> 1400/],
    [
      'macaddress',
      { left: '{ addresses: 10.0.0.1/24, macaddress: "02:00:00:00:00:99" }' },
      /macaddress: \S+ -> 02:00:00:00:00:99/,
    ],
    [
      'alias',
      { left: '{ addresses: 10.0.0.1/24, alias: to the other side }' },
      /alias: \(none\) -> to the other side/,
    ],
    ['state', { left: '{ addresses: 10.0.0.1/24, state: down }' }, /state: up -> down/],
    ['address', { left: '{ addresses: [10.0.0.1/24, 10.9.0.1/24] }' }, /\+ address 10\.9\.0\.1\/24 on eth0/],
  ];
  for (const [name, options, expected] of inPlace) {
    test(name, async () => {
      await expectCode(0, 'apply', pair());
      const index = ifindex('a', 'eth0');
      await change(pair(), () => pair(options), expected);
      expect(ifindex('a', 'eth0')).toBe(index);
    });
  }

  test('bridge parameters', async () => {
    const bridge = (parameters: string) =>
      folder.write(
        'bridge.yaml',
        `name: bridge\nnamespaces: [a, sw]\nbridges:\n  br0: { namespace: sw, parameters: ${parameters}, ports: { a:eth0: 10.0.0.1/24 } }\n`,
      );
    await expectCode(0, 'apply', bridge('{}'));
    const index = ifindex('sw', 'br0');
    await change(
      bridge('{}'),
      () =>
        bridge('{ stp: true, forward-delay: 4, hello-time: 1, max-age: 6, priority: 4096, ageing-time: 60 }'),
      /stp: false -> true/,
    );
    expect(ifindex('sw', 'br0')).toBe(index);
    await change(
      bridge('{ stp: true }'),
      () => bridge('{ stp: false, forward-delay: 0 }'),
      /forward-delay: 15 -> 0/,
    );
    expect(ifindex('sw', 'br0')).toBe(index);
  });
});

describe('what the kernel cannot change is replaced, and nothing else', () => {
  test('a veth with another peer', async () => {
    await expectCode(0, 'apply', pair());
    const file = folder.write(
      'pair.yaml',
      `name: pair\nnamespaces: [a, b, c]\nlinks:\n  - endpoints: { a:eth0: 10.0.0.1/24, c:eth0: 10.0.0.2/24 }\n`,
    );
    const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', file);
    expect(stdout).toMatch(/-\/\+ veth eth0[^\n]*\n\s+peer: b\/eth0 -> c\/eth0/);
    expect(stdout).toMatch(/disrupts: the link is made anew/);
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    sh('ip', 'netns', 'exec', 'a', 'ping', '-c1', '-W2', '10.0.0.2');
  });

  test('a vxlan with another VNI, but not its ttl or learning', async () => {
    const vxlan = (settings: string) =>
      folder.write(
        'vx.yaml',
        `name: vx\nnamespaces: [a, b]\nlinks:\n  - endpoints: { a:wan: 192.0.2.1/24, b:wan: 192.0.2.2/24 }\ntunnels:\n  vx0: { type: vxlan, ${settings}, endpoints: { a: { local: 192.0.2.1, addresses: 10.0.0.1/24 }, b: { local: 192.0.2.2, addresses: 10.0.0.2/24 } } }\n`,
      );
    await expectCode(0, 'apply', vxlan('id: 5'));
    const [index, wan] = [ifindex('a', 'vx0'), ifindex('a', 'wan')];
    await change(vxlan('id: 5'), () => vxlan('id: 5, ttl: 9, learning: false'), /learning: true -> false/);
    expect(ifindex('a', 'vx0')).toBe(index);
    await change(vxlan('id: 5'), () => vxlan('id: 6'), /-\/\+ vxlan vx0[^\n]*\n\s+id: 5 -> 6/);
    expect(ifindex('a', 'vx0')).not.toBe(index);
    expect(ifindex('a', 'wan')).toBe(wan);
    sh('ip', 'netns', 'exec', 'a', 'ping', '-c1', '-W3', '10.0.0.2');
  });
});

describe('what the kernel drops along is put back in the same run', () => {
  test('routes, when the last address of their interface changes', async () => {
    const file = () =>
      pair({ left: '{ addresses: 10.0.0.3/24 }', routes: '{ default: 10.0.0.2, 10.50.0.0/16: 10.0.0.2 }' });
    const stdout = await change(
      pair({ routes: '{ default: 10.0.0.2, 10.50.0.0/16: 10.0.0.2 }' }),
      file,
      /-\/\+ route default/,
    );
    expect(stdout).toContain('the kernel drops it with 10.0.0.1/24 on eth0');
    const routes = ip('a', 'route');
    expect(routes).toContain('default via 10.0.0.2');
    expect(routes).toContain('10.50.0.0/16 via 10.0.0.2');
  });

  test('the secondary addresses of a subnet, when the primary one goes', async () => {
    await change(
      pair({ left: '{ addresses: [10.0.0.1/24, 10.0.0.5/24] }' }),
      () => pair({ left: '{ addresses: [10.0.0.5/24] }' }),
      /- address 10\.0\.0\.1\/24 on eth0/,
    );
    expect(ip('a', 'address', 'show', 'dev', 'eth0')).toContain('10.0.0.5/24');
  });

  test('routes and IPv6 addresses of a link that somebody set down', async () => {
    const file = pair({
      left: '{ addresses: [10.0.0.1/24, "2001:db8::1/64"] }',
      routes: '{ default: 10.0.0.2, "2001:db8:9::/48": "2001:db8::2" }',
    });
    await expectCode(0, 'apply', file);
    ip('a', 'link', 'set', 'eth0', 'down');
    const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', file);
    expect(stdout).toContain('state: down -> up');
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    expect(ip('a', 'route')).toContain('default via 10.0.0.2');
    expect(ip('a', '-6', 'route')).toContain('2001:db8:9::/48');
  });
});

test('routes: every attribute is compared and changed', async () => {
  const routes = (list: string) =>
    pair({ left: '{ addresses: [10.0.0.1/24, "2001:db8::1/64"] }', routes: list });
  const steps: readonly (readonly [string, string, RegExp])[] = [
    [
      '[{ to: 10.1.0.0/16, via: 10.0.0.2 }]',
      '[{ to: 10.1.0.0/16, via: 10.0.0.3 }]',
      /next hop: via 10\.0\.0\.2 dev eth0 -> via 10\.0\.0\.3 dev eth0/,
    ],
    [
      '[{ to: 10.1.0.0/16, via: 10.0.0.2 }]',
      '[{ to: 10.1.0.0/16, type: blackhole }]',
      /type: unicast -> blackhole/,
    ],
    [
      '[{ to: 10.1.0.0/16, via: 10.0.0.2 }]',
      '[{ to: 10.1.0.0/16, via: 10.0.0.2, mtu: 1300, from: 10.0.0.1 }]',
      /mtu: 0 -> 1300/,
    ],
    [
      '[{ to: 10.1.0.0/16, via: 10.0.0.2 }]',
      '[{ to: 10.1.0.0/16, nexthops: [{ via: 10.0.0.2, weight: 2 }, { via: 10.0.0.3 }] }]',
      /next hop/,
    ],
    [
      '[{ to: 10.1.0.0/16, via: 10.0.0.2 }]',
      '[{ to: 10.1.0.0/16, via: 10.0.0.2, metric: 50 }]',
      /\+ route 10\.1\.0\.0\/16/,
    ],
    [
      '[{ to: 10.1.0.0/16, via: 10.0.0.2, table: 100 }]',
      '[{ to: 10.1.0.0/16, via: 10.0.0.3, table: 100 }]',
      /route 10\.1\.0\.0\/16 table 100/,
    ],
    [
      '[{ to: "2001:db8:9::/48", via: "2001:db8::2" }]',
      '[{ to: "2001:db8:9::/48", via: "2001:db8::3" }]',
      /via 2001:db8::2 dev eth0 -> via 2001:db8::3 dev eth0/,
    ],
    [
      '[{ to: "2001:db8:9::/48", via: "2001:db8::2" }]',
      '[{ to: "2001:db8:9::/48", type: unreachable }]',
      /type: unicast -> unreachable/,
    ],
    [
      '[{ to: "2001:db8:9::/48", via: "2001:db8::2" }]',
      '[{ to: "2001:db8:9::/48", nexthops: [{ via: "2001:db8::2" }, { via: "2001:db8::3" }] }]',
      /next hop/,
    ],
    [
      '[{ to: "2001:db8:9::/48", via: "2001:db8::2" }]',
      '[{ to: "2001:db8:9::/48", via: "2001:db8::2", from: "2001:db8::1" }]',
      /from: \(none\) -> 2001:db8::1/,
    ],
  ];
  for (const [before, after, expected] of steps) await change(routes(before), () => routes(after), expected);
});

test('a running ping loses nothing while another link is added and removed', async () => {
  await expectCode(0, 'apply', pair());
  sh('ip', 'netns', 'exec', 'a', 'ping', '-c1', '-W2', '10.0.0.2');
  const { execa } = await import('execa');
  const ping = execa('ip', [
    'netns',
    'exec',
    'a',
    'ping',
    '-q',
    '-i',
    '0.01',
    '-c',
    '200',
    '-W',
    '1',
    '10.0.0.2',
  ]);
  const more = folder.write(
    'more.yaml',
    `name: pair\nnamespaces: [a, b, c]\nlinks:\n  - endpoints: { a:eth0: 10.0.0.1/24, b:eth0: 10.0.0.2/24 }\n  - endpoints: { a:eth1: 10.2.0.1/24, c:eth0: 10.2.0.2/24 }\n`,
  );
  await expectCode(0, 'apply', more);
  await expectCode(0, 'apply', pair());
  const { stdout } = await ping;
  expect(stdout).toContain('200 packets transmitted, 200 received, 0% packet loss');
});

test('an observing plan takes one process per namespace, an apply one more', async () => {
  const count = ({ stderr }: { stderr: string }) => Number(/processes started: (\d+)/.exec(stderr)?.[1]);
  const size = 20;
  const lines = Array.from({ length: size }, (_, i) => `  r${i}: { forwarding: true }`);
  const links = Array.from(
    { length: size - 1 },
    (_, i) => `  - endpoints: { r${i}:right: 10.0.${i}.1/30, r${i + 1}:left: 10.0.${i}.2/30 }`,
  );
  const file = folder.write(
    'chain.yaml',
    `name: chain\nnamespaces:\n${lines.join('\n')}\nlinks:\n${links.join('\n')}\n`,
  );
  const apply = count(await expectCode(0, 'apply', file));
  const plan = count(await expectCode(0, 'plan', file));
  expect(plan).toBeLessThanOrEqual(size + 5);
  // The change, and the observation that proves it.
  expect(apply).toBeLessThanOrEqual(2 * size + 20);
});

test('--commands prints what a shell can run to the same end', async () => {
  const file = pair({ routes: '{ default: 10.0.0.2 }' });
  const { stdout } = await expectCode(0, 'plan', '--commands', file);
  const script = folder.write('commands.sh', stdout);
  sh('sh', '-e', script);
  const { stdout: plan } = await expectCode(0, 'plan', '--detailed-exitcode', file);
  expect(plan).toContain('No changes');
});

test('--diff shows live and desired as a unified diff', async () => {
  await expectCode(0, 'apply', pair());
  const { stdout } = await expectCode(
    0,
    'plan',
    '--diff',
    pair({ left: '{ addresses: 10.0.0.1/24, mtu: 1400 }' }),
  );
  expect(stdout).toMatch(/^-\s+mtu: 1500$/m);
  expect(stdout).toMatch(/^\+\s+mtu: 1400$/m);
  expect((await topoweave('plan', '--diff', pair())).stdout).toBe('');
});
