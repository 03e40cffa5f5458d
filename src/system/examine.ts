import { UnavailableError } from '../lib/errors.ts';
import { describeFilter, type ForeignFilters, integration, letThrough } from '../observe/foreign-filters.ts';
import type { Privileges } from './privileges.ts';
import { packages, type Run } from './run.ts';
import { sandboxArgv } from './sandbox.ts';

/** One thing that topoweave needs, and whether this machine has it. */
export interface Finding {
  readonly name: string;
  /** `unknown`: could not be looked at, because no throw-away host could be made. */
  readonly state: 'present' | 'missing' | 'limited' | 'unknown';
  /** A version, or what the machine said. */
  readonly detail: string;
  /** Without it topoweave does not work at all. */
  readonly required: boolean;
  /** What brings it, when it is not present. */
  readonly help?: string;
}

export interface Examination {
  readonly tools: readonly Finding[];
  readonly privileges: readonly Finding[];
  readonly kernel: readonly Finding[];
  /** The ways to the kernel (`--engine`). */
  readonly engines: readonly Finding[];
  /** Open vSwitch: its daemons, and where they forward. */
  readonly ovs: readonly Finding[];
  /** Packet filters of others that drop what a lab forwards or bridges on the machine itself. */
  readonly filters: readonly Finding[];
}

/** What is wrong with the daemons of Open vSwitch, or undefined; and whether the kernel has its datapath. */
export interface OvsState {
  readonly obstacle: string | undefined;
  readonly hasModule: boolean;
}

const tools: readonly {
  name: string;
  argv: readonly string[];
  required: boolean;
  /** What alone needs it, where it is not required. */
  use?: string;
}[] = [
  { name: 'ip', argv: ['ip', '-V'], required: true },
  { name: 'bridge', argv: ['bridge', '-V'], required: true },
  { name: 'tc', argv: ['tc', '-V'], required: false, use: 'impairments need' },
  { name: 'nft', argv: ['nft', '--version'], required: true },
  { name: 'nsenter', argv: ['nsenter', '--version'], required: true },
  { name: 'unshare', argv: ['unshare', '--version'], required: true },
  { name: 'flock', argv: ['flock', '--version'], required: true },
  { name: 'wg', argv: ['wg', '--version'], required: false, use: 'wireguard with --engine ip needs' },
  { name: 'ping', argv: ['ping', '-V'], required: false, use: 'check needs' },
  { name: 'busybox', argv: ['busybox', 'udhcpc', '--help'], required: false, use: 'addresses: dhcp4 needs' },
  { name: 'dnsmasq', argv: ['dnsmasq', '--version'], required: false, use: 'dns and dhcp of bridges need' },
  { name: 'iptables', argv: ['iptables', '-V'], required: false, use: 'firewall: integrate needs' },
  { name: 'ovs-vsctl', argv: ['ovs-vsctl', '-V'], required: false, use: 'bridges with type: ovs need' },
];

const kernelFeatures: readonly { name: string; what: string; module?: string; required: boolean }[] = [
  { name: 'veth', what: 'links and bridge ports', module: 'veth', required: true },
  { name: 'bridge', what: 'bridges', module: 'bridge', required: true },
  {
    name: 'bridge-vlans',
    what: 'VLANs of bridges (CONFIG_BRIDGE_VLAN_FILTERING)',
    module: 'bridge',
    required: false,
  },
  { name: 'vxlan', what: 'vxlan tunnels', module: 'vxlan', required: false },
  { name: 'gre', what: 'gre tunnels', module: 'ip_gre', required: false },
  { name: 'gretap', what: 'gretap tunnels', module: 'ip_gre', required: false },
  { name: 'ip6gre', what: 'ip6gre tunnels', module: 'ip6_gre', required: false },
  { name: 'ip6gretap', what: 'ip6gretap tunnels', module: 'ip6_gre', required: false },
  { name: 'ipip', what: 'ipip tunnels', module: 'ipip', required: false },
  { name: 'sit', what: 'sit tunnels', module: 'sit', required: false },
  { name: 'ip6tnl', what: 'ip6tnl tunnels', module: 'ip6_tunnel', required: false },
  { name: 'geneve', what: 'geneve tunnels', module: 'geneve', required: false },
  { name: 'wireguard', what: 'wireguard tunnels', module: 'wireguard', required: false },
  { name: 'macvlan', what: 'macvlan interfaces', module: 'macvlan', required: false },
  { name: 'macvtap', what: 'macvtap interfaces', module: 'macvtap', required: false },
  { name: 'ipvlan', what: 'ipvlan interfaces', module: 'ipvlan', required: false },
  { name: 'vrf', what: 'VRFs', module: 'vrf', required: false },
  { name: 'bond', what: 'bonds', module: 'bonding', required: false },
  { name: 'tun', what: 'tap and tun interfaces', module: 'tun', required: false },
  { name: 'netem', what: 'delay, loss and other impairments', module: 'sch_netem', required: false },
  { name: 'tbf', what: 'rates with bursts', module: 'sch_tbf', required: false },
  { name: 'ifb', what: 'ifb interfaces, impairments of received packets', module: 'ifb', required: false },
  {
    name: 'redirect',
    what: 'impairments of received packets',
    module: '-a sch_ingress cls_u32 act_mirred',
    required: false,
  },
  { name: 'nftables-nat', what: 'masquerade, snat and publish', module: 'nft_chain_nat', required: false },
  { name: 'nft-fib', what: 'publish on any address', module: 'nft_fib_inet', required: false },
  { name: 'ipv4-forwarding', what: 'forwarding', required: false },
];

/** Prints `NAME present` or `NAME missing REASON` for each kind, in a throw-away host of its own. */
const probe = `
try() {
  name=$1; shift
  if said=$("$@" 2>&1 >/dev/null); then echo "$name present"; else echo "$name missing $(echo $said)"; fi
}
forward() { echo 1 > /proc/sys/net/ipv4/ip_forward; }
try veth ip link add probe0 type veth peer name probe1
try bridge ip link add probe2 type bridge
try bridge-vlans ip link add p-bridge-vlans type bridge vlan_filtering 1
try vxlan ip link add p-vxlan type vxlan id 1 dstport 4789
try gre ip link add p-gre type gre local 192.0.2.1 remote 192.0.2.2
try gretap ip link add p-gretap type gretap local 192.0.2.1 remote 192.0.2.2
try ip6gre ip link add p-ip6gre type ip6gre local 2001:db8::1 remote 2001:db8::2
try ip6gretap ip link add p-ip6gretap type ip6gretap local 2001:db8::1 remote 2001:db8::2
try ipip ip link add p-ipip type ipip remote 192.0.2.2
try sit ip link add p-sit type sit remote 192.0.2.2
try ip6tnl ip link add p-ip6tnl type ip6tnl remote 2001:db8::2
try geneve ip link add p-geneve type geneve id 1 remote 192.0.2.2
try wireguard ip link add p-wireguard type wireguard
try macvlan ip link add link probe0 name p-macvlan type macvlan
try macvtap ip link add link probe0 name p-macvtap type macvtap
try ipvlan ip link add link probe1 name p-ipvlan type ipvlan
try vrf ip link add p-vrf type vrf table 1000
try bond ip link add p-bond type bond
try tun ip tuntap add dev p-tun mode tap
try netem tc qdisc add dev probe2 root netem limit 1
try tbf tc qdisc add dev probe0 root tbf rate 1mbit burst 5000b limit 10000b
try ifb ip link add p-ifb type ifb
redirect() {
  tc qdisc add dev probe0 ingress &&
    tc filter add dev probe0 parent ffff: protocol all pref 1 u32 match u32 0 0 action mirred egress redirect dev probe1
}
try redirect redirect
try nftables-nat nft 'table inet probe1 { chain c { type nat hook postrouting priority 100; masquerade; }; }'
try nft-fib nft 'table inet probe2 { chain c { type filter hook prerouting priority 0; fib daddr type local accept; }; }'
try ipv4-forwarding forward
`;

/** Looks at tools, privileges and the kernel; changes nothing of this machine. */
export async function examine(options: {
  run: Run;
  root: boolean;
  privileges: Privileges;
  nodeVersion: string;
  obstacles: EngineObstacles;
  ovs: OvsState;
  filters: ForeignFilters | undefined;
}): Promise<Examination> {
  const { run, root, privileges, nodeVersion, obstacles, ovs, filters } = options;
  const node: Finding = { name: 'node', state: 'present', detail: nodeVersion, required: true };
  const [found, kernel] = await Promise.all([
    Promise.all(tools.map((tool) => examineTool(tool, run))),
    examineKernel(run, root),
  ]);
  const canMakeSandbox = kernel.some(({ state }) => state !== 'unknown');
  return {
    tools: [...found, node],
    privileges: examinePrivileges(privileges, canMakeSandbox),
    kernel,
    engines: examineEngines(obstacles),
    ovs: examineOvs(ovs),
    filters: examineFilters(filters),
  };
}

function examineFilters(filters: ForeignFilters | undefined): Finding[] {
  const findings = [
    { name: 'forwarding', required: false },
    { name: 'bridging', required: false },
  ] as const;
  if (filters === undefined)
    return findings.map((finding) => ({ ...finding, state: 'unknown', detail: 'only root can look at it' }));
  const [forwarding, bridging] = findings;
  const { forward, bridgesFiltered } = filters;
  const dropping = forward.map((filter) => describeFilter(filter)).join('; ');
  const free = { state: 'present', detail: 'no packet filter of others drops it' } as const;
  const [first] = forward;
  if (first === undefined)
    return [
      { ...forwarding, ...free },
      { ...bridging, ...free },
    ];
  return [
    {
      ...forwarding,
      state: 'limited',
      detail: dropping,
      help: `for an interface of a lab in host: ${first.hasDockerUser ? `${integration}; or by hand: ` : ''}${letThrough(first, 'NAME')}`,
    },
    bridgesFiltered
      ? {
          ...bridging,
          state: 'limited',
          detail: 'br_netfilter gives what bridges pass to the same filters',
          help: 'sysctl -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0',
        }
      : { ...bridging, ...free },
  ];
}

function examineOvs({ obstacle, hasModule }: OvsState): Finding[] {
  const daemon = { name: 'ovs-vswitchd', required: false };
  const datapath = { name: 'openvswitch', required: false };
  const start =
    'for bridges with type: ovs: apt-get install openvswitch-switch; systemctl start openvswitch-switch';
  const slow =
    'modprobe openvswitch; without it the daemon forwards packets itself, and TCP over veth needs: ovs-vsctl set Open_vSwitch . other_config:userspace-tso-enable=true';
  return [
    obstacle === undefined
      ? { ...daemon, state: 'present', detail: '' }
      : { ...daemon, state: 'missing', detail: obstacle, help: start },
    hasModule
      ? { ...datapath, state: 'present', detail: 'the module of the kernel' }
      : { ...datapath, state: 'missing', detail: 'the kernel has no such module loaded', help: slow },
  ];
}

/** Why netlink cannot be used, and why nftables cannot without a program; undefined where they can. */
export interface EngineObstacles {
  readonly netlink: string | undefined;
  readonly nftables: string | undefined;
}

function examineEngines({ netlink, nftables }: EngineObstacles): Finding[] {
  const finding = (name: string, obstacle: string | undefined, use: string, help: string): Finding =>
    obstacle === undefined
      ? { name, state: 'present', detail: use, required: false }
      : { name, state: 'missing', detail: obstacle, required: false, help };
  return [
    finding(
      'netlink',
      netlink,
      '--engine auto uses it',
      '--engine auto uses the program ip, which is slower',
    ),
    finding(
      'libnftables',
      nftables,
      'NAT without a process',
      'the program nft does it: apt-get install libnftables1',
    ),
  ];
}

export function parseProbe(stdout: string): ReadonlyMap<string, Pick<Finding, 'state' | 'detail'>> {
  const findings = new Map<string, Pick<Finding, 'state' | 'detail'>>();
  for (const line of stdout.split('\n')) {
    const [, name, state, detail] = /^(\S+) (present|missing) ?(.*)$/.exec(line) ?? [];
    if (name === undefined) continue;
    // iproute2 says `Error: Unknown device type.`
    const reason = (detail ?? '').replace(/^(Error|RTNETLINK answers): /, '').replace(/\.$/, '');
    findings.set(name, { state: state === 'present' ? 'present' : 'missing', detail: reason });
  }
  return findings;
}

async function examineTool(
  { name, argv, required, use: needs }: (typeof tools)[number],
  run: Run,
): Promise<Finding> {
  try {
    const { stdout, stderr } = await run(argv);
    const line = (stdout || stderr).trim().split('\n')[0] ?? '';
    return { name, state: 'present', detail: /\d+(\.\d+)+|\d{8}/.exec(line)?.[0] ?? line, required };
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    const use = needs === undefined ? '' : `; only ${needs} it`;
    const help = `apt-get install ${packages[name] ?? name}${use}`;
    return { name, state: 'missing', detail: 'not installed', required, help };
  }
}

function examinePrivileges(
  { uid, netAdmin, sysAdmin, userNamespacesOff }: Privileges,
  sandbox: boolean,
): Finding[] {
  const asRoot = `run it as root${sandbox ? ', or try it in a throw-away host: topoweave sandbox' : ''}`;
  const capability = (name: string, has: boolean): Finding =>
    has
      ? { name, state: 'present', detail: '', required: true }
      : { name, state: 'missing', detail: '', required: true, help: asRoot };
  const userNamespaces: Finding = {
    name: 'user namespaces',
    state: userNamespacesOff.length === 0 ? 'present' : 'missing',
    detail: userNamespacesOff.join(', '),
    required: false,
    ...(userNamespacesOff.length === 0 ? {} : { help: 'only sandbox without root needs them' }),
  };
  const root: Finding = {
    name: 'root',
    state: uid === 0 ? 'present' : 'missing',
    detail: `uid ${uid}`,
    required: true,
    ...(uid === 0 ? {} : { help: asRoot }),
  };
  return [root, capability('CAP_NET_ADMIN', netAdmin), capability('CAP_SYS_ADMIN', sysAdmin), userNamespaces];
}

async function examineKernel(run: Run, root: boolean): Promise<Finding[]> {
  const { stdout, stderr } = await runProbe(run, root);
  const findings = parseProbe(stdout);
  const failure = stderr.trim().split('\n')[0] ?? '';
  return kernelFeatures.map(({ name, what, module, required }) => {
    const { state, detail } = findings.get(name) ?? { state: 'unknown' as const, detail: failure };
    if (state === 'present') return { name, state, detail, required };
    const brings =
      module === undefined ? 'mount /proc/sys writable' : `modprobe ${module}; Debian: linux-image-amd64`;
    return { name, state, detail, required, help: `for ${what}: ${brings}` };
  });
}

async function runProbe(run: Run, root: boolean): Promise<{ stdout: string; stderr: string }> {
  try {
    return await run(sandboxArgv(['sh', '-c', probe, 'probe'], { root }));
  } catch (error) {
    if (error instanceof UnavailableError) return { stdout: '', stderr: error.message };
    throw error;
  }
}
