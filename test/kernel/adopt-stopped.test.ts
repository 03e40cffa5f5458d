import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { dump, expectCode, ip, sh, topoweave, workFolder } from '../support/host.ts';
import { type Ending, runUntil } from '../support/stopping.ts';

// A card of the machine is never lost: wherever a run ends, apply goes on and destroy gives it back.
const folder = workFolder();
let before = '';

beforeEach(() => {
  // Duplicate address detection takes seconds each time that the card comes back.
  sh('sysctl', '-q', '-w', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0');
  sh('ip', 'netns', 'add', 'outside');
  ip('host', ...'link add card1 mtu 1400 type veth peer name card2 netns outside'.split(' '));
  ip('outside', 'link', 'set', 'card2', 'up');
  for (const line of [
    'link set card1 up',
    'address add 192.168.5.2/24 dev card1',
    'address add 2001:db8:5::2/64 dev card1 nodad',
    'route add 10.55.0.0/16 via 192.168.5.1',
  ])
    ip('host', ...line.split(' '));
  before = dump();
});
afterEach(async () => {
  await topoweave('destroy', 'held');
  sh('ip', 'netns', 'del', 'outside');
  while (ip('host', '-o', 'link').includes('card1')) sh('sleep', '0.1');
});
afterAll(() => folder.remove());

const labs = {
  'moved into a namespace':
    'namespaces:\n  a: { interfaces: { wan: { adopt: card1, addresses: 10.5.0.1/24 } } }\n',
  'moved under its own name, with others': `namespaces:
  a: { forwarding: true, interfaces: { card1: { adopt: true, mtu: 1300, macaddress: "02:00:00:00:05:01" } }, routes: { default: 10.6.0.2 } }
  b: {}
links: [{ endpoints: { a:eth0: 10.6.0.1/24, b:eth0: 10.6.0.2/24 } }]
`,
  'a member of a bridge': `namespaces:
  host: { interfaces: { card1: { adopt: true } }, routes: { 10.55.0.0/16: 192.168.5.1 } }
  a: {}
bridges: { br-held: { members: [card1], addresses: [192.168.5.2/24, "2001:db8:5::2/64"], ports: { a:eth0: 192.168.5.9/24 } } }
`,
  'with options': `namespaces:
  host:
    interfaces: { card1: { adopt: true, mtu: 1300, macaddress: "02:00:00:00:05:02", addresses: 10.5.0.1/24, sysctls: { rp_filter: 2 } } }
  a: {}
`,
};
const endings: readonly Ending[] = ['interrupted', 'killed'];
const cases = Object.entries(labs).flatMap(([name, text]) =>
  endings.map((ending) => [name, ending, text] as const),
);

test.each(cases)('%s, %s: both commands come to an end', async (_name, ending, text) => {
  const file = folder.write('held.yaml', `name: held\n${text}`);
  for (let count = 0, isEarly = true; isEarly; count += 1) {
    isEarly = await runUntil(count, ending, { lab: 'held', file });
    if (count % 2 === 0) await expectEnd(file);
    await expectCode(0, 'destroy', 'held');
    expect(dump()).toBe(before);
  }
  for (let count = 0, isEarly = true; isEarly; count += 1) {
    await expectCode(0, 'apply', file);
    isEarly = await runUntil(count, ending, { lab: 'held' });
    if (count % 2 === 1) await expectEnd(file);
    await expectCode(0, 'destroy', 'held');
    expect(dump()).toBe(before);
  }
});

async function expectEnd(file: string): Promise<void> {
  await expectCode(0, 'apply', file);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
}
