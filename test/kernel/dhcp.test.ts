import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, expect, test } from 'vitest';
import { expectCode, expectReachable, ip, namespaces, sh, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

const file = 'topologies/dhcp.yaml';
const text = readFileSync(file, 'utf8');
const soon = { timeout: 30_000, interval: 100 };

const addresses = (namespace: string) => ip(namespace, '-4', 'address', 'show', 'dev', 'eth0');
const routes = (namespace: string) => ip(namespace, 'route', 'show', 'default');
const clientOf = (namespace: string) => Number(sh('ip', 'netns', 'pids', namespace).trim().split('\n')[0]);

async function apply(path: string): Promise<void> {
  await expectCode(0, 'apply', path);
  await expectCode(0, 'check', path);
  // What the client got is no difference.
  await expectCode(0, 'plan', '--detailed-exitcode', path);
}

test('an address and a default route come, are renewed, are no drift, and go with the word', async () => {
  await apply(file);
  expect(addresses('alice')).toMatch(/inet 10\.0\.0\.1\d\d\/24 .*dynamic/);
  expect(routes('alice')).toMatch(/^default via 10\.0\.0\.1 dev eth0 proto dhcp /);
  expect(sh('ip', 'netns', 'exec', 'printer', 'getent', 'ahostsv4', 'alice')).toMatch(/^10\.0\.0\.1\d\d /);
  const seconds = () => Number(/valid_lft (\d+)sec/.exec(addresses('alice'))?.[1]);
  await expect.poll(seconds, soon).toBeLessThan(598);
  // udhcpc renews when it is told so, as it does when half of the time is over.
  process.kill(clientOf('alice'), 'SIGUSR1');
  await expect.poll(seconds, soon).toBeGreaterThanOrEqual(598);
  await expectCode(
    0,
    'apply',
    folder.write('dhcp.yaml', text.replace('alice:eth0: dhcp4', 'alice:eth0: {}')),
  );
  expect(addresses('alice')).toBe('');
  expect(routes('alice')).toBe('');
  expect(sh('ip', 'netns', 'pids', 'alice')).toBe('');
  expect(addresses('bob')).toMatch(/inet 10\.0\.0\.1/);
  await expectCode(0, 'destroy', 'dhcp');
  expect(namespaces()).toEqual([]);
});

test('a client that was killed is drift, and only its own address is taken away', async () => {
  const both = text.replace(
    'alice:eth0: dhcp4',
    'alice:eth0: [dhcp4, { address: 10.7.0.1/24, lifetime: 900 }]',
  );
  const path = folder.write('dhcp.yaml', both);
  await apply(path);
  const pid = clientOf('alice');
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => sh('ip', 'netns', 'pids', 'alice'), soon).toBe('');
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', path);
  expect(stdout).toMatch(/service dhcp4-eth0[^\n]*\n\s+state: dead -> running/);
  await apply(path);
  expect(addresses('alice')).toContain('inet 10.7.0.1/24');
  expect(addresses('alice').match(/inet 10\.0\.0\./g)).toHaveLength(1);
});

const seldom = text.replace('lease: 10m', 'lease: 1h');

test.each([
  [['link', 'del', 'eth0'], 'of an earlier interface'],
  [['link', 'set', 'eth0', 'down'], 'lost'],
  [['-4', 'address', 'flush', 'dev', 'eth0'], 'lost'],
  [['route', 'del', 'default'], 'lost'],
  [['route', 'del', '10.0.0.0/24'], 'lost'],
  [['route', 'flush', 'table', 'main'], 'lost'],
] as const)('after ip %j the client asks again, and the plan says so', async (words, state) => {
  const path = folder.write('dhcp.yaml', seldom);
  await apply(path);
  ip('alice', ...words);
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', path);
  expect(stdout).toMatch(new RegExp(`service dhcp4-eth0[^\n]*\n\\s+lease: ${state} -> in place`));
  await apply(path);
  await expect.poll(() => addresses('alice'), soon).toContain('inet 10.0.0.1');
  await expect
    .poll(() => ip('alice', 'route'), soon)
    .toMatch(/^default via 10\.0\.0\.1 [^\n]*\n10\.0\.0\.0\/24/);
  await expectCode(0, 'plan', '--detailed-exitcode', path);
});

test('another subnet of the server in the file: the clients ask again', async () => {
  await apply(folder.write('dhcp.yaml', seldom));
  const other = folder.write('dhcp.yaml', seldom.replaceAll('10.0.0.', '10.6.0.'));
  await apply(other);
  await expect.poll(() => addresses('alice'), soon).toContain('inet 10.6.0.1');
  expect(addresses('alice')).not.toContain('10.0.0.');
});

test('a client that nobody answers is no drift, whatever becomes of its link', async () => {
  const path = folder.write(
    'lonely.yaml',
    'name: lonely\nnamespaces: [la, lb]\nlinks: [{ endpoints: { la:eth0: dhcp4, lb:eth0: {} } }]\n',
  );
  await expectCode(0, 'apply', path);
  await expectCode(0, 'plan', '--detailed-exitcode', path);
  ip('la', 'link', 'set', 'eth0', 'down');
  await expectCode(0, 'apply', path);
  await expectCode(0, 'plan', '--detailed-exitcode', path);
  ip('la', 'link', 'del', 'eth0');
  await expectCode(0, 'apply', path);
  await expectCode(0, 'plan', '--detailed-exitcode', path);
});

/** A network outside of the lab with a DHCP server, and this machine's end of it. */
function outside(): { stop: () => void } {
  sh('ip', 'netns', 'add', 'outside');
  ip('host', 'link', 'add', 'eth7', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'outside');
  ip('outside', 'address', 'add', '10.5.0.1/24', 'dev', 'eth0');
  ip('outside', 'link', 'set', 'eth0', 'up');
  const words =
    'netns exec outside dnsmasq --no-daemon --conf-file=/dev/null --port=0 --interface=eth0 --no-ping --dhcp-authoritative';
  const range = '--dhcp-range=10.5.0.10,10.5.0.20,255.255.255.0,10m';
  const server = spawn('ip', [...words.split(' '), range, `--dhcp-leasefile=${folder.path}/leases`]);
  return {
    stop: () => {
      server.kill();
      sh('ip', 'netns', 'del', 'outside');
    },
  };
}

test("on the machine's own network: a card that is adopted, and a namespace beside it", async () => {
  const network = outside();
  try {
    const path = folder.write(
      'lab.yaml',
      `name: lab
namespaces:
  host: { interfaces: { eth7: { adopt: true, addresses: dhcp4 } } }
  c: { interfaces: { eth0: { type: macvlan, link: host:eth7, addresses: dhcp4 } } }
`,
    );
    await expectCode(0, 'apply', path);
    const card = () => ip('host', '-4', 'address', 'show', 'dev', 'eth7');
    const cardRoute = () => ip('host', 'route', 'show', 'default');
    await expect.poll(card, soon).toContain('inet 10.5.0.');
    await expect.poll(cardRoute, soon).toContain('default via 10.5.0.1 dev eth7 proto dhcp');
    await expect.poll(() => addresses('c'), soon).toContain('inet 10.5.0.');
    await expect.poll(() => routes('c'), soon).toContain('default via 10.5.0.1');
    expectReachable('c', '10.5.0.1');
    await expectCode(0, 'plan', '--detailed-exitcode', path);
    await expectCode(0, 'destroy', 'lab');
    expect(card()).toBe('');
    expect(cardRoute()).toBe('');
    expect(ip('host', 'link', 'show', 'eth7')).toContain('state DOWN');
  } finally {
    network.stop();
  }
});

test('without busybox it is said which package is missing, before anything is touched', async () => {
  const busybox = sh('which', 'busybox').trim();
  sh('mount', '--bind', '/dev/null', busybox);
  try {
    const { stderr } = await expectCode(69, 'apply', file);
    expect(stderr).toMatch(/the program 'busybox' of the service (alice|bob)\/dhcp4-eth0 is not installed/);
    expect(stderr).toContain('apt-get install busybox');
    expect(namespaces()).toEqual([]);
  } finally {
    sh('umount', busybox);
  }
});
