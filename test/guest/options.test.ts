import { afterAll, expect, test } from 'vitest';
import { expectCode, ip, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(async () => {
  await expectCode(0, 'destroy', lab(''));
  folder.remove();
});

const options =
  ', options: { promiscuous: true, all-multicast: true, multicast: false, arp: false, transmit-queue-length: 77, gso-max-size: 30000, gso-max-segments: 20, gro-max-size: 40000 }';
const opposite = ', options: { multicast: true, arp: true }';

/** One interface of each kind, so that the kernel's own values of each are met. */
const lab = (more: string) =>
  folder.write(
    'options.yaml',
    `name: options
namespaces:
  a:
    interfaces:
      dummy0: { type: dummy${more} }
      vlan5: { type: vlan, id: 5, link: dummy0${more} }
      macvlan0: { type: macvlan, link: dummy0${more} }
      vrf0: { type: vrf, table: 100${more} }
      bond0: { type: bond${more} }
      ifb0: { type: ifb${more} }
      tap0: { type: tap${more} }
      tun0: { type: tun${more} }
      under: { type: dummy, addresses: 192.0.2.1/24 }
tunnels:
${['gre', 'gretap', 'ipip', 'sit'].map((type, at) => `  t${at}: { type: ${type}, endpoints: { a: { local: 192.0.2.1, remote: 192.0.2.${at + 10}${more} } } }`).join('\n')}
  t5: { type: vxlan, id: 7, endpoints: { a: { local: 192.0.2.1, remote: 192.0.2.20${more} } } }
  t6: { type: geneve, id: 7, endpoints: { a: { local: 192.0.2.1, remote: 192.0.2.21${more} } } }
bridges:
  br0: { namespace: a${more} }
`,
  );

interface Link {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly [name: string]: unknown;
}

function states(): object {
  const links = JSON.parse(ip('a', '-j', '-d', 'link', 'show')) as Link[];
  const flags = ['PROMISC', 'ALLMULTI', 'MULTICAST', 'NOARP'];
  return Object.fromEntries(
    links.map(({ ifname, flags: all, txqlen, gso_max_size, gso_max_segs, gro_max_size }) => [
      ifname,
      [all.filter((flag) => flags.includes(flag)).join(), txqlen, gso_max_size, gso_max_segs, gro_max_size],
    ]),
  );
}

test('options of a new interface of each kind go when they leave the file', async () => {
  await expectCode(0, 'apply', lab(''));
  const usual = states();
  for (const more of [options, opposite]) {
    await expectCode(0, 'destroy', lab(''));
    await expectCode(0, 'apply', lab(more));
    await expectCode(0, 'plan', '--detailed-exitcode', lab(more));
    expect(states()).not.toEqual(usual);
    await expectCode(0, 'apply', lab(''));
    expect(states()).toEqual(usual);
  }
});
