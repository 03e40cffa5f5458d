/** What people who come from Docker and Compose write, and where this language has it. */
interface ForeignWord {
  readonly words: readonly string[];
  /** A key that is known at the place which is meant. */
  readonly where: string;
  readonly help: string;
}

const MEMBER = 'publish-all';
const NETWORK = 'bridge-address';
const NAMESPACE = 'nat';

const foreignWords: readonly ForeignWord[] = [
  { words: ['ports'], where: MEMBER, help: 'published ports are publish: ["8080:80"]' },
  {
    words: ['ip', 'ip6', 'ipv4_address', 'ipv6_address'],
    where: MEMBER,
    help: 'a fixed address is addresses: 172.18.0.10',
  },
  {
    words: ['links'],
    where: MEMBER,
    help: 'members reach each other by name; where the network keeps them apart, isolation: { allow: [] } lists who may',
  },
  {
    words: [
      'dns',
      'extra_hosts',
      'hostname',
      'hosts',
      'nameservers',
      'firewall',
      'services',
      'routes',
      'nat',
    ],
    where: MEMBER,
    help: 'a member has its interface here; the rest is said of the namespace, under namespaces',
  },
  {
    words: ['driver'],
    where: NETWORK,
    help: 'every network is a bridge: leave it out; macvlan, ipvlan and VLANs stand under interfaces of a namespace, overlays under tunnels',
  },
  { words: ['icc', 'enable_icc'], where: NETWORK, help: 'isolation: all keeps the members apart' },
  {
    words: ['ipam', 'config', 'ip_range', 'ip-range', 'fixed-cidr'],
    where: NETWORK,
    help: 'its words are subnet, gateway and, for the range of automatic addresses, pool',
  },
  {
    words: ['ipv6', 'enable_ipv6'],
    where: NETWORK,
    help: 'write an IPv6 subnet: subnet: [172.18.0.0/16, "fd00:18::/64"]',
  },
  { words: ['dns', 'dhcp'], where: NETWORK, help: 'it stands at the bridge of the network, under bridges' },
  {
    words: ['publish', 'publish-all', 'ports'],
    where: NAMESPACE,
    help: 'ports are published at a member of a network, or under nat of the namespace that has the address',
  },
  {
    words: ['networks', 'network', 'network_mode'],
    where: NAMESPACE,
    help: 'a network lists its members: networks: { NAME: { subnet: …, members: [] } }',
  },
  { words: ['dns', 'dns_search', 'resolv'], where: NAMESPACE, help: 'name servers stand under nameservers' },
  { words: ['extra_hosts'], where: NAMESPACE, help: 'names of your own stand under hosts' },
  { words: ['command'], where: NAMESPACE, help: 'programs stand under services: { NAME: { command: … } }' },
];

/** What to write for a word that another tool has for this place. */
export function helpForForeign(word: string, known: readonly string[]): string | undefined {
  return foreignWords.find(({ words, where }) => words.includes(word) && known.includes(where))?.help;
}
