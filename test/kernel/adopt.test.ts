import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { dump, expectCode, ifindex, ip, sh, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
let before = '';

/** A card that nobody uses. */
function addCard(): void {
  ip('host', ...'link add card1 mtu 1400 type veth peer name card2 netns outside'.split(' '));
}

/** A machine with an uplink: its address, the way out, and a second card that nobody uses. */
beforeEach(() => {
  sh('ip', 'netns', 'add', 'outside');
  ip('host', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'wire', 'netns', 'outside');
  addCard();
  for (const line of [
    'address add 192.168.1.1/24 dev wire',
    'link set wire up',
    'link set card2 up',
    'link set lo up',
  ])
    ip('outside', ...line.split(' '));
  for (const line of [
    'link set up0 up',
    'address add 192.168.1.10/24 brd + dev up0',
    'address add 2001:db8:1::10/64 dev up0 nodad',
    'address add 192.168.1.11/24 dev up0',
    'route add default via 192.168.1.1 src 192.168.1.11 metric 100 proto static',
    'route add 10.20.0.0/16 via 192.168.1.1',
  ])
    ip('host', ...line.split(' '));
  sh('sleep', '2');
  before = dump();
});
afterEach(async () => {
  await topoweave('destroy', '--all');
  ip('host', 'link', 'del', 'up0');
  ip('host', 'link', 'del', 'card1');
  sh('ip', 'netns', 'del', 'outside');
});
afterAll(() => folder.remove());

const uplink = (more = '') =>
  folder.write(
    'uplink.yaml',
    `name: uplink
namespaces:
  host:
    interfaces: { up0: { adopt: true } }
    routes:
      - { to: default, via: 192.168.1.1, metric: 100 }
      - { to: 10.20.0.0/16, via: 192.168.1.1 }
  guest: { routes: { default: 192.168.1.1 } }
bridges:
  br0:
    addresses: [192.168.1.10/24, "2001:db8:1::10/64", 192.168.1.11/24]
    members: [up0]
    ports: { guest:eth0: 192.168.1.50/24 }
${more}`,
  );

async function settle(file: string): Promise<string> {
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  return stdout;
}

test("a host's uplink moves into a bridge with its addresses and routes, and comes back exactly", async () => {
  const index = ifindex('host', 'up0');
  const plan = await settle(uplink());
  expect(plan).toMatch(/~ adopted up0/);
  sh('ip', 'netns', 'exec', 'guest', 'ping', '-c1', '-W5', '192.168.1.1');
  sh('ping', '-c1', '-W5', '192.168.1.1');
  expect(ip('host', 'route', 'show', 'default')).toContain('dev br0');
  expect(ip('host', 'address', 'show', 'dev', 'up0')).not.toContain('inet ');
  expect(ifindex('host', 'up0')).toBe(index);
  await expectCode(0, 'destroy', uplink());
  sh('sleep', '2');
  expect(dump()).toBe(before);
  sh('ping', '-c1', '-W5', '192.168.1.1');
});

test('what the host would lose is said before anything is done', async () => {
  const file = folder.write(
    'lost.yaml',
    'name: lost\nnamespaces: { host: { interfaces: { up0: { adopt: true } } } }\nbridges: { br0: { members: [up0], addresses: 192.168.1.10/24 } }\n',
  );
  const { stderr } = await expectCode(1, 'apply', file);
  expect(stderr).toContain('up0 becomes a port of br0, and the host would lose the address 192.168.1.11/24');
  expect(stderr).toContain('its route to default');
  expect(stderr).toContain('its route to 10.20.0.0/16');
  expect(dump()).toBe(before);
});

test('an interface that is not there is said before anything is done', async () => {
  const file = folder.write(
    'missing.yaml',
    'name: missing\nnamespaces: { host: { interfaces: { up7: { adopt: true } } } }\n',
  );
  expect((await expectCode(1, 'apply', file)).stderr).toContain('the host has no interface up7 to adopt');
  expect((await expectCode(1, 'plan', file)).stderr).toMatch(/missing\.yaml:2/);
});

test('an interface that a program holds is refused, by name', async () => {
  const index = ifindex('host', 'up0');
  mkdirSync('/run/systemd/netif/links', { recursive: true });
  writeFileSync(`/run/systemd/netif/links/${index}`, 'ADMIN_STATE=configured\nOPER_STATE=routable\n');
  expect((await expectCode(1, 'plan', uplink())).stderr).toContain('up0 is held by systemd-networkd');
  writeFileSync(`/run/systemd/netif/links/${index}`, 'ADMIN_STATE=unmanaged\n');
  await expectCode(0, 'plan', uplink());
  rmSync('/run/systemd', { recursive: true });
  mkdirSync('/run/NetworkManager/devices', { recursive: true });
  writeFileSync(`/run/NetworkManager/devices/${index}`, '[device]\nmanaged=true\nconnection-uuid=abc\n');
  expect((await expectCode(1, 'plan', uplink())).stderr).toContain('up0 is held by NetworkManager');
  rmSync('/run/NetworkManager', { recursive: true });
  const client = spawn('busybox', ['udhcpc', '-f', '-i', 'up0', '-s', '/bin/true'], { stdio: 'ignore' });
  try {
    sh('sleep', '0.5');
    expect((await expectCode(1, 'apply', uplink())).stderr).toContain(
      `up0 is held by udhcpc (process ${client.pid})`,
    );
  } finally {
    client.kill();
  }
  expect(dump()).toBe(before);
});

test('more addresses for an interface of the host; its own stay', async () => {
  const file = folder.write(
    'more.yaml',
    `name: more
namespaces:
  host:
    interfaces: { up0: { adopt: true, mtu: 1480, addresses: [192.168.1.10/24, 192.168.2.1/24] } }
    routes: [{ to: 10.30.0.0/16, via: 192.168.2.9, dev: up0 }]
`,
  );
  await settle(file);
  expect(ip('host', 'address', 'show', 'dev', 'up0')).toContain('192.168.2.1/24');
  expect(ip('host', 'address', 'show', 'dev', 'up0')).toContain('192.168.1.11/24');
  expect(ip('host', 'link', 'show', 'dev', 'up0')).toContain('mtu 1480');
  ip('host', 'address', 'del', '192.168.2.1/24', 'dev', 'up0');
  await settle(file);
  await expectCode(0, 'destroy', file);
  expect(dump()).toBe(before);
});

test('a card moves into a namespace under another name, and comes back', async () => {
  const file = folder.write(
    'card.yaml',
    `name: card
namespaces:
  lab:
    interfaces: { wan: { adopt: card1, addresses: 10.5.0.1/24, macaddress: "02:00:00:00:05:01" } }
    routes: { default: 10.5.0.2 }
`,
  );
  const plan = await settle(file);
  expect(plan).toMatch(/namespace: host -> lab/);
  expect(ip('lab', '-br', 'address', 'show', 'dev', 'wan')).toContain('10.5.0.1/24');
  expect(ip('host', 'link')).not.toContain('card1');
  await expectCode(0, 'destroy', file);
  // The other end has seen a carrier meanwhile.
  const host = (text: string) => text.slice(0, text.indexOf('== outside'));
  expect(host(dump())).toBe(host(before));
});

test('a card of a namespace that somebody removed is taken again, and an uplink that somebody took out', async () => {
  const file = uplink();
  await settle(file);
  ip('host', 'link', 'set', 'up0', 'nomaster');
  expect(await settle(file)).toContain('br0');
  ip('host', 'address', 'add', '192.168.77.1/24', 'dev', 'up0');
  await settle(file);
  await expectCode(0, 'destroy', file);
  sh('sleep', '2');
  expect(dump()).toBe(before);
});

test('an adopted interface that leaves the file is given back; the rest stays', async () => {
  await settle(uplink());
  const without = folder.write(
    'uplink.yaml',
    'name: uplink\nnamespaces: { guest: {} }\nbridges: { br0: { addresses: 10.77.0.1/24, ports: { guest:eth0: 10.77.0.2/24 } } }\n',
  );
  await settle(without);
  expect(ip('host', 'route', 'show', 'default')).toContain('via 192.168.1.1 dev up0');
  sh('ping', '-c1', '-W5', '192.168.1.1');
});

const host = (interfaces: string, more = '') =>
  folder.write(
    'host.yaml',
    `name: host-lab\nnamespaces:\n  host: { interfaces: { ${interfaces} } }\n${more}`,
  );

test('addresses alone go with the lab, and with their line in the file', async () => {
  const file = host('up0: { adopt: true, addresses: [10.9.9.1/24, "fd09::1/64"] }');
  await settle(file);
  await settle(host('up0: { adopt: true, addresses: 10.9.9.1/24 }'));
  expect(ip('host', 'address', 'show', 'dev', 'up0')).not.toContain('fd09::1');
  await expectCode(0, 'destroy', file);
  expect(dump()).toBe(before);
});

test('an interface that gets addresses first and a bridge later is given back without them', async () => {
  await settle(host('up0: { adopt: true, addresses: 10.9.9.1/24 }', '  guest: {}\n'));
  const bridge = `bridges:
  br0:
    members: [up0]
    addresses: [192.168.1.10/24, "2001:db8:1::10/64", 192.168.1.11/24, 10.9.9.1/24]
`;
  const routes =
    'routes: [{ to: default, via: 192.168.1.1, metric: 100 }, { to: 10.20.0.0/16, via: 192.168.1.1 }]';
  const file = folder.write(
    'later.yaml',
    `name: host-lab\nnamespaces:\n  host: { interfaces: { up0: { adopt: true } }, ${routes} }\n  guest: {}\n${bridge}`,
  );
  await settle(file);
  // The other way would leave it without its own addresses.
  const back = await expectCode(
    1,
    'plan',
    host('up0: { adopt: true, addresses: 10.9.9.1/24 }', '  guest: {}\n'),
  );
  expect(back.stderr).toContain('up0 leaves its bridge, and would be without its own addresses');
  await expectCode(0, 'destroy', file);
  sh('sleep', '2');
  expect(dump()).toBe(before);
});

test('an interface that is adopted already, by this lab or another, is refused for another use', async () => {
  const card = (name: string, origin: string) =>
    folder.write(
      'guest.yaml',
      `name: guest-lab\nnamespaces: { guest: { interfaces: { ${name}: { adopt: ${origin} } } } }\n`,
    );
  await settle(card('wan', 'card1'));
  expect((await expectCode(1, 'apply', card('wan', 'up0'))).stderr).toContain(
    'guest:wan is card1 of the host so far',
  );
  expect((await expectCode(1, 'apply', card('lan', 'card1'))).stderr).toContain(
    'this lab has card1 as guest:wan',
  );
  expect((await expectCode(1, 'apply', host('card1: { adopt: true }'))).stderr).toContain(
    "card1 is adopted by the lab 'guest-lab'",
  );
  ip('guest', 'link', 'del', 'wan');
  expect((await expectCode(1, 'apply', card('wan', 'card1'))).stderr).toContain('card1 is gone');
  await expectCode(0, 'destroy', 'guest-lab');
  addCard();
});

test('what stands in the way of a port, or at its new place, is said before anything is done', async () => {
  ip('host', 'link', 'add', 'link', 'up0', 'name', 'mv0', 'type', 'macvlan');
  expect((await expectCode(1, 'apply', uplink())).stderr).toContain(
    'up0 cannot become a port of br0: mv0 is on top',
  );
  ip('host', 'link', 'del', 'mv0');
  expect(dump()).toBe(before);
});

test('a card comes back although another has taken its name, when that is gone', async () => {
  const file = folder.write(
    'card.yaml',
    'name: card\nnamespaces: { lab: { interfaces: { wan: { adopt: card1, addresses: 10.5.0.1/24 } } } }\n',
  );
  await settle(file);
  ip('host', 'link', 'add', 'card1', 'type', 'bridge');
  expect((await topoweave('destroy', file)).code).toBe(1);
  ip('host', 'link', 'del', 'card1');
  await expectCode(0, 'destroy', file);
  expect(ip('host', 'link', 'show', 'dev', 'card1')).toContain('mtu 1400');
});
