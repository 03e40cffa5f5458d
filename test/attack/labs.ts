import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A lab to attack: two states of its file, so that changes and removals are attacked, too. */
export interface AttackedLab {
  readonly name: string;
  /** What the machine has before, as lines of ip(8). */
  readonly machine: readonly string[];
  /** Namespaces of that machine, which are nobody's. */
  readonly outside: readonly string[];
  readonly files: readonly [string, string];
  /** What chaos may be done to: namespaces that hold nothing but what the lab has made, in either state. */
  readonly namespaces: readonly string[];
  /** Lines of sh. */
  readonly chaos: readonly string[];
}

const card = (name: string, peer: string) => [
  `link add ${name} type veth peer name ${peer} netns outside`,
  // An address of its own would come with the first carrier, and stay.
  `-n outside link set ${peer} addrgenmode none`,
  `-n outside link set ${peer} up`,
];

/** Where a lab adopts interfaces and sets sysctls, routes and rules of the host. */
const machine = [
  'netns add outside',
  ...card('up0', 'wire'),
  ...card('card1', 'card2'),
  '-n outside address add 192.168.1.1/24 dev wire',
  'link set up0 up',
  'address add 192.168.1.10/24 brd + dev up0',
  'address add 2001:db8:1::10/64 dev up0 nodad',
  'address add 192.168.1.11/24 dev up0',
  'route add default via 192.168.1.1 src 192.168.1.11 metric 100 proto static',
  'route add 10.20.0.0/16 via 192.168.1.1',
  'route add blackhole 10.21.0.0/16 table 77',
  'rule add from 10.21.0.0/16 table 77 priority 1077',
  'link set card1 mtu 1400',
];

/** The labs; each has its two files in labs/. */
export function attackedLabs(root: string): AttackedLab[] {
  const read = (name: string): [string, string] => [
    readFileSync(join(root, `test/attack/labs/${name}.yaml`), 'utf8'),
    readFileSync(join(root, `test/attack/labs/${name}-changed.yaml`), 'utf8'),
  ];
  return definitions.map((lab) => ({ ...lab, files: read(lab.name) }));
}

/** In any namespace of the lab: NS is one of them, ALL are all of them. */
const anywhere = [
  'ip netns del NS',
  'ip -n NS route flush table main',
  'for n in ALL; do ip -n $n route flush proto 116; done',
  'for n in ALL; do ip -n $n link set eth0 down; done',
  'for n in ALL; do ip -n $n address flush dev eth0; done',
  'for n in ALL; do ip -n $n link set eth0 mtu 1290; done',
  'ip -n NS link del eth0',
  'ip -n NS link set eth0 down name odd',
  'for n in ALL; do ip netns exec $n nft flush ruleset; done',
];

const definitions: readonly Omit<AttackedLab, 'files'>[] = [
  {
    name: 'office',
    machine: [],
    outside: [],
    namespaces: ['gw', 'alice', 'web', 'bob', 'isp'],
    chaos: [
      ...anywhere,
      'ip -n gw link del lan',
      'ip -n gw link set wan name odd',
      'ip -n gw neighbor flush all',
      'ip netns exec gw sysctl -qw net.ipv4.ip_forward=0',
      'ip netns exec gw nft delete table inet topoweave-office',
      'ip -n web link set eth0 netns alice name other',
      'rm -f /etc/netns/*/hosts',
    ],
  },
  {
    name: 'uplink',
    machine,
    outside: ['outside'],
    // Not where an adopted card is: it would go with its namespace, as a cable does and a card does not.
    namespaces: ['guest'],
    chaos: [
      ...anywhere,
      'ip link del br0',
      'ip link del to-lab',
      'ip route del 10.66.0.0/16',
      'ip rule del priority 1050',
      'ip link set to-lab down mtu 1290',
      'ip address flush dev to-lab',
      'ip -n inside link set card1 down',
      'ip -n inside link del eth0',
    ],
  },
  {
    name: 'overlay',
    machine: [],
    outside: [],
    namespaces: ['paris', 'berlin', 'rome', 'a', 'b'],
    chaos: [
      ...anywhere,
      'ip link del underlay',
      'ip -n paris link del overlay',
      'ip -n berlin link set lan2 down',
      'ip -n rome link del mac0',
      'bridge -n paris fdb flush dev overlay',
      'ip -n rome link set overlay nomaster',
      'tc -n rome qdisc del dev eth1 root',
    ],
  },
  {
    name: 'many',
    machine: [],
    outside: [],
    namespaces: ['gw', 'h1', 'h40', 'h59', 'k1', 'k110'],
    chaos: [...anywhere, 'ip -n gw link del lan', 'for n in ALL; do ip netns del $n; done'],
  },
  {
    name: 'services',
    machine: [],
    outside: [],
    namespaces: ['web', 'client'],
    chaos: [
      ...anywhere,
      'for p in $(ip netns pids web); do kill -9 $p; done',
      'for p in $(ip netns pids web); do kill -TERM $p; done',
      'for p in $(ip netns pids client); do kill -STOP $p; done',
      'rm -f /etc/netns/web/hosts',
      'rm -rf /etc/netns/client',
    ],
  },
];
