import { describe, expect, test } from 'vitest';
import {
  collides,
  describeHolder,
  type Holder,
  indexHolders,
  readHolders,
  readPortRange,
  readReserved,
  type socketFiles,
} from '../../../src/observe/port-use.ts';

type File = (typeof socketFiles)[number];

function holders(texts: { sockets?: [File, string][]; ruleset?: string; legacy?: string }): Holder[] {
  const { sockets = [], ruleset = '', legacy = '' } = texts;
  return readHolders({ sockets: new Map(sockets), ruleset, legacy, range: '', reserved: '' }, 'own');
}

const port = (first: number, last = first) => ({ first, last });
const tcp = (number: number, address?: string, family: 4 | 6 = 4) =>
  ({ protocol: 'tcp', address, family, port: port(number) }) as const;

// As Linux 6.18 prints them.
const tcpFile = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 100 0 0 10 0
   2: 020200C0:0016 010200C0:C350 01 00000000:00000000 02:000A7B2C 00000000     0        0 4713 2 0000000000000000 20 4 30 10 -1
`;
const tcp6File = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4721 1 0000000000000000 100 0 0 10 0
   1: B80D0120000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4722 1 0000000000000000 100 0 0 10 0
   2: 0000000000000000FFFF0000020200C0:0052 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4723 1 0000000000000000 100 0 0 10 0
`;
const udpFile = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  100: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 4731 2 0000000000000000 0
  101: 020200C0:C351 010200C0:0035 01 00000000:00000000 00:00000000 00000000   101        0 4732 2 0000000000000000 0
`;
const sctpFile = ` ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS
ffff88 ffff89 2   10  29   9899      0 4741 192.0.2.1 10.0.0.1
`;

describe('sockets', () => {
  test('those that listen, with their addresses', () => {
    const found = holders({
      sockets: [
        ['tcp', tcpFile],
        ['tcp6', tcp6File],
        ['udp', udpFile],
        ['sctp/eps', sctpFile],
      ],
    });
    const is = (inode: number) => ({ inode });
    expect(found).toEqual([
      { protocol: 'tcp', family: 4, address: '127.0.0.1', ports: port(8080), is: is(4711) },
      { protocol: 'tcp', family: 4, address: undefined, ports: port(22), is: is(4712) },
      { protocol: 'tcp', family: undefined, address: undefined, ports: port(80), is: is(4721) },
      { protocol: 'tcp', family: 6, address: '2001:db8::1', ports: port(81), is: is(4722) },
      { protocol: 'tcp', family: 4, address: '192.0.2.2', ports: port(82), is: is(4723) },
      { protocol: 'udp', family: 4, address: '127.0.0.53', ports: port(53), is: is(4731) },
      { protocol: 'sctp', family: undefined, address: undefined, ports: port(9899), is: is(4741) },
    ]);
    expect(found.map(describeHolder)[0]).toBe(
      'a process that is not seen from here listens on 127.0.0.1:8080',
    );
  });

  test('every address collides with each, and two addresses do not', () => {
    const at = (address: string | undefined, family: 4 | 6 | 'both' = 4): Holder => ({
      protocol: 'tcp',
      family: family === 'both' ? undefined : family,
      address,
      ports: port(80),
      is: { inode: 1 },
    });
    expect(collides(at('127.0.0.1'), tcp(80))).toBe(true);
    expect(collides(at(undefined), tcp(80, '192.0.2.2'))).toBe(true);
    expect(collides(at('192.0.2.1'), tcp(80, '192.0.2.2'))).toBe(false);
    expect(collides(at('::1', 6), tcp(80, undefined, 6))).toBe(false);
    expect(collides(at(undefined, 'both'), tcp(80, undefined, 6))).toBe(true);
    expect(collides(at(undefined, 6), tcp(80))).toBe(false);
    expect(collides(at(undefined), { ...tcp(80), port: port(70, 79) })).toBe(false);
    expect(collides(at(undefined), { ...tcp(80), port: port(70, 80) })).toBe(true);
    expect(collides(at(undefined), { ...tcp(80), protocol: 'udp' })).toBe(false);
  });
});

describe('rules of others', () => {
  const ruleset = `# Warning: table ip nat is managed by iptables-nft, do not touch!
table ip nat {
	chain DOCKER {
		iifname != "docker0" tcp dport 8080 counter packets 3 bytes 180 dnat to 172.17.0.2:80
		ip daddr 192.0.2.1 tcp dport 8443 counter packets 0 bytes 0 xt target "DNAT"
		meta l4proto { tcp, udp } th dport 53 counter packets 0 bytes 0 redirect to :5353
		tcp dport != 25 dnat to 172.17.0.9
	}
	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local counter packets 3 bytes 180 jump DOCKER
	}
}
table inet filter {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport { 22, 80 } accept
		tcp dport vmap { 443 : accept }
	}
}
table inet topoweave-own {
	map published4 {
		type inet_proto . inet_service : ipv4_addr . inet_service
		elements = { tcp . 1000 : 10.0.0.3 . 80 }
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		meta nfproto ipv4 fib daddr type local dnat ip to meta l4proto . th dport map @published4
	}
}
table inet topoweave-other {
	map published4_at {
		type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
		elements = { 127.0.0.1 . tcp . 2000 : 10.0.0.3 . 80,
			     192.0.2.1 . udp . 2001 : 10.0.0.3 . 80 }
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		dnat ip to ip daddr . meta l4proto . th dport map @published4_at
	}
}
table ip kube-proxy {
	map service-nodeports {
		type inet_proto . inet_service : verdict
		elements = { tcp . 30080 : goto external-X }
	}

	chain nat-prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local meta l4proto . th dport vmap @service-nodeports
	}
}
`;
  const found = holders({ ruleset });
  const keys = found.map(({ protocol, family, address, ports }) => [
    protocol ?? 'any',
    family ?? 'both',
    address ?? '*',
    ports.first,
  ]);

  test('the ports that they lead elsewhere, and no others', () => {
    expect(keys).toEqual([
      ['tcp', 4, '*', 8080],
      ['tcp', 4, '192.0.2.1', 8443],
      ['any', 4, '*', 53],
      ['tcp', 4, '127.0.0.1', 2000],
      ['udp', 4, '192.0.2.1', 2001],
      ['tcp', 4, '*', 30080],
    ]);
  });

  test('whose they are', () => {
    expect(found.map(describeHolder)).toEqual([
      'a rule of nftables leads it on (table ip nat, chain DOCKER): iifname != "docker0" tcp dport 8080 dnat to 172.17.0.2:80',
      'a rule of nftables leads it on (table ip nat, chain DOCKER): ip daddr 192.0.2.1 tcp dport 8443 xt target "DNAT"',
      'a rule of nftables leads it on (table ip nat, chain DOCKER): meta l4proto { tcp, udp } th dport 53 redirect to :5353',
      "the lab 'other' publishes it",
      "the lab 'other' publishes it",
      'a rule of nftables leads it on (table ip kube-proxy, chain nat-prerouting): fib daddr type local meta l4proto . th dport vmap @service-nodeports',
    ]);
  });

  test('sets and ranges', () => {
    const rule = (text: string) =>
      holders({
        ruleset: `table ip x {\n\tset web {\n\t\ttype inet_service\n\t\telements = { 80, 443 }\n\t}\n\n\tchain c {\n\t\t${text}\n\t}\n}\n`,
      });
    const portsOf = (text: string) => rule(text).map(({ ports }) => [ports.first, ports.last]);
    expect(portsOf('tcp dport @web dnat to 10.0.0.1')).toEqual([
      [80, 80],
      [443, 443],
    ]);
    expect(portsOf('udp dport { 1, 5-9 } redirect to :53')).toEqual([
      [1, 1],
      [5, 9],
    ]);
    expect(portsOf('tcp dport 5-9 dnat to 10.0.0.1')).toEqual([[5, 9]]);
    expect(portsOf('dnat ip to tcp dport map { 7000 : 10.0.0.3 . 17000, 7001 : 10.0.0.3 . 17001 }')).toEqual([
      [7000, 7000],
      [7001, 7001],
    ]);
    expect(portsOf('tcp dport 91 dnat ip prefix to ip daddr map { 10.0.0.0/24 : 10.1.0.0/24 }')).toEqual([
      [91, 91],
    ]);
    expect(portsOf('tcp dport 80 accept')).toEqual([]);
    expect(portsOf('dnat to 10.0.0.1')).toEqual([]);
  });

  test('a rule that only speaks of packets that were led on leads none on', () => {
    const rule = (text: string) =>
      holders({ ruleset: `table inet topoweave-own_firewall {\n\tchain forward {\n\t\t${text}\n\t}\n}\n` });
    expect(
      rule('tcp dport 8080 ct status dnat accept comment "accept tcp port 8080 [0123456789ab]"'),
    ).toEqual([]);
    expect(rule('tcp dport 8080 ct status ! dnat drop')).toEqual([]);
    expect(rule('tcp dport 8080 log prefix "dnat to " accept comment "no redirect"')).toEqual([]);
    expect(rule('tcp dport 8080 ct status dnat dnat ip to 10.0.0.1')).toHaveLength(1);
    expect(rule('meta l4proto icmp icmp type redirect accept')).toEqual([]);
  });

  test('of the old iptables', () => {
    const legacy = `*nat
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER -d 192.0.2.1/32 -p udp -m multiport --dports 53,5000:5010 -j REDIRECT --to-ports 53
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
COMMIT
`;
    expect(holders({ legacy }).map(({ protocol, address, ports }) => [protocol, address, ports])).toEqual([
      ['tcp', undefined, port(8080)],
      ['udp', '192.0.2.1', port(53)],
      ['udp', '192.0.2.1', port(5000, 5010)],
    ]);
  });

  test('looked up one by one', () => {
    const wide: Holder = {
      protocol: 'tcp',
      family: 4,
      address: undefined,
      ports: port(1, 60000),
      is: { inode: 1 },
    };
    const find = indexHolders([...found, wide]);
    expect(find(tcp(8080))).toBe(found[0]);
    expect(find({ ...tcp(0), port: port(2000, 2001) })).toBe(found[3]);
    expect(find(tcp(9))).toBe(wide);
    expect(find(tcp(61000))).toBeUndefined();
  });
});

test('the range and what is reserved of it', () => {
  expect(readPortRange('32768\t60999')).toEqual(port(32768, 60999));
  expect(readPortRange('')).toEqual(port(32768, 60999));
  expect(readReserved('8080,9000-9009')).toEqual([port(8080), port(9000, 9009)]);
  expect(readReserved('')).toEqual([]);
});
