import type { Bridge as RawBridge } from '../../generated/topology-file.ts';
import { append } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { kernelName } from '../../lib/interface-name.ts';
import { contains, formatIp, type Ip, parseIp } from '../../lib/ip.ts';
import { pointer } from '../../lib/pointer.ts';
import { HOST, type Service } from '../../topology/model.ts';
import type { Context } from './context.ts';
import type { NameBook } from './names-files.ts';
import type { Network, Subnet } from './network.ts';
import { expandIp } from './settings.ts';
import { addressesOfNamespace } from './targets.ts';

const plain = {
  environment: {},
  user: undefined,
  directory: undefined,
  files: {},
  log: undefined,
  ready: undefined,
  after: [],
  stopWithin: 5000,
} as const;

/**
 * The services that bridges and interfaces stand for, by namespace: a dnsmasq for `dns` and `dhcp` of a bridge, and a
 * client for each interface with `dhcp4`.
 */
export function makeServices(context: Context, network: Network, book: NameBook): Map<string, Service[]> {
  const services = new Map<string, Service[]>();
  for (const [name, raw] of Object.entries(context.data.bridges ?? {})) {
    if (raw === null || raw?.type === 'ovs') continue;
    const bridge = raw as NonNullable<RawBridge>;
    if (bridge.dns !== undefined && bridge.dns !== false)
      append(services, bridge.namespace ?? HOST, dnsmasq(context, { name, bridge, network, book }));
    else if (bridge.dhcp !== undefined)
      append(services, bridge.namespace ?? HOST, dnsmasq(context, { name, bridge, network, book }));
  }
  for (const { item } of context.entries.values())
    if (item.dhcp4 !== undefined)
      append(services, item.namespace, dhcpClient(item.namespace, item.name, item.dhcp4.place));
  return services;
}

/**
 * udhcpc of busybox. Its script is whatever `-s` names, called with one word, the event: the shell takes that as the name
 * of a script in the folder that it is in, which is the service's own. So nothing below /run has to be executable.
 */
function dhcpClient(namespace: string, name: string, place: Place): Service {
  const isHost = namespace === HOST;
  return {
    ...plain,
    name: `dhcp4-${name}`,
    command: [
      ...['busybox', 'udhcpc', '-f', '-R', '-i', kernelName(name), '-s', '/bin/sh'],
      // Asks each second, five times, and begins again five seconds later.
      ...['-t', '5', '-T', '1', '-A', '5'],
      ...(isHost || !/^[A-Za-z0-9_.-]{1,64}$/.test(namespace) ? [] : ['-x', `hostname:${namespace}`]),
    ],
    files: { deconfig, bound: renew, renew, nak: ':\n', leasefail: ':\n' },
    capabilities,
    madeFor: name,
    place,
  };
}

/**
 * The lifetime marks the address as one of DHCP, and the kernel drops it by itself when nobody renews it. What was set is
 * written down, so that nothing else of the interface is taken away.
 */
const renew = `default=\${router%% *}
[ "$(cat leased 2>/dev/null)" = "$ip/$mask $default" ] || . ./deconfig
echo "$ip/$mask $default" >leased
[ -n "$lease" ] || lease=forever
ip -4 address replace "$ip/$mask" broadcast + dev "$interface" valid_lft "$lease" preferred_lft "$lease"
index=$(ip -o link show dev "$interface")
metric=$((100 + \${index%%:*}))
[ -z "$default" ] || ip -4 route replace default via "$default" dev "$interface" onlink proto 16 metric "$metric"
`;
/** Also called when it begins. The first line tells who took the lease, and on which interface. */
const deconfig = `link=$(ip -o link show dev "$interface")
echo "$PPID \${link%%:*}" >holder
if [ -f leased ]; then
  read -r address gateway <leased
  [ -z "$gateway" ] || ip -4 route del default via "$gateway" dev "$interface" proto 16 2>/dev/null
  ip -4 address del "$address" dev "$interface" 2>/dev/null
  rm -f leased
fi
:
`;

/** The rights of root that take part in DHCP takes, and nothing else of root's. */
const capabilities = ['net_admin', 'net_bind_service', 'net_raw'];

interface Server {
  readonly name: string;
  readonly bridge: NonNullable<RawBridge>;
  readonly network: Network;
  readonly book: NameBook;
}

function dnsmasq(context: Context, server: Server): Service {
  const { name, bridge } = server;
  const hasDns = bridge.dns !== undefined && bridge.dns !== false;
  const base = pointer('bridges', name);
  const key = hasDns ? 'dns' : 'dhcp';
  const domain = typeof bridge.dns === 'object' ? bridge.dns.domain : undefined;
  if (domain !== undefined && !/^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(domain))
    context.report({
      code: 'host-name',
      message: `'${domain}' is not a domain: letters, digits, dashes and dots`,
      place: { pointer: `${base}/dns/domain`, part: 'value' },
    });
  const command = [
    // In the foreground as whom it was started: it has few rights, and no other user where only root is known.
    ...['dnsmasq', '--no-daemon', '--conf-file=/dev/null', '--no-hosts', '--no-resolv', '--bind-dynamic'],
    ...[`--interface=${kernelName(name)}`, '--except-interface=lo'],
    ...(domain === undefined ? [] : [`--domain=${domain}`, `--local=/${domain}/`]),
    ...(hasDns ? dnsWords(context, server, domain) : ['--port=0']),
    ...(bridge.dhcp === undefined ? [] : dhcpWords(context, server, bridge.dhcp)),
  ];
  return {
    ...plain,
    name: `dnsmasq-${name}`,
    capabilities,
    command,
    ready: { tcp: hasDns ? 53 : undefined, udp: hasDns ? undefined : 67, command: undefined, within: 5000 },
    place: { pointer: `${base}/${key}`, part: 'key' },
  };
}

/** What the lab's namespaces are called, and where all else is asked for. */
function dnsWords(
  { report }: Context,
  { name, bridge, network, book }: Server,
  domain: string | undefined,
): string[] {
  const forward = typeof bridge.dns === 'object' ? (bridge.dns.forward ?? []) : [];
  const servers = forward.flatMap((text, index) => {
    const place: Place = { pointer: pointer('bridges', name, 'dns', 'forward', index), part: 'value' };
    const address = expandIp(text, place, report);
    return address === undefined ? [] : [`--server=${address}`];
  });
  // A name without a dot is one of the lab or none, whatever is asked about it; without servers this is so for every name.
  const others = forward.length === 0 ? ['--local=/#/'] : ['--domain-needed', ...servers];
  const records = book.namespaces.flatMap((namespace) => {
    const addresses = addressesOfNamespace(network, namespace, bridge.namespace ?? HOST);
    const names = book.namesOf(namespace).flatMap((each) => {
      const isShort = domain !== undefined && !each.includes('.');
      return isShort ? [each, `${each}.${domain}`] : [each];
    });
    // A number would be the time to live of the record, and with a dot at its end it is a name.
    const words = names.map((each) => (/^\d+$/.test(each) ? `${each}.` : each));
    return addresses.length === 0 || words.length === 0
      ? []
      : [`--host-record=${[...words, ...addresses].join(',')}`];
  });
  return [...others, ...records];
}

function dhcpWords(
  context: Context,
  { name, network, bridge }: Server,
  raw: NonNullable<NonNullable<RawBridge>['dhcp']>,
): string[] {
  const at = (key: string): Place => ({ pointer: pointer('bridges', name, 'dhcp', key), part: 'value' });
  const fail = (message: string, key: string, help?: string) =>
    context.report({ code: 'dhcp', message, place: at(key), ...(help === undefined ? {} : { help }) });
  const [first, last, more] = raw.range.split('-').map((text) => parseIp(text.trim()));
  if (
    first === undefined ||
    last === undefined ||
    more !== undefined ||
    first.family !== 4 ||
    last.family !== 4
  ) {
    fail(
      `'${raw.range}' is not a range of IPv4 addresses`,
      'range',
      'write one such as 10.0.0.100-10.0.0.199',
    );
    return [];
  }
  if (last.value < first.value) fail(`${raw.range} ends before it begins`, 'range');
  const subnet = network
    .subnetsOf(bridge.namespace ?? HOST)
    .find(({ item, cidr }) => item.name === name && contains(cidr, first) && contains(cidr, last));
  if (subnet === undefined) {
    fail(
      `${raw.range} is in no subnet of the bridge ${name}`,
      'range',
      `give ${name} an address of that subnet`,
    );
    return [];
  }
  const taken = takenAddress(network, { first, last }, subnet);
  if (taken !== undefined)
    fail(
      `${taken.address.address} in ${raw.range} is the address of ${taken.item.namespace}:${taken.item.name}`,
      'range',
      'write a range without it, or another address',
    );
  const router = raw.router === undefined ? subnet.address.address : raw.router;
  const gateway = router === 'none' ? '' : (expandIp(router, at('router'), context.report) ?? '');
  const mask = formatIp(
    ((1n << BigInt(subnet.cidr.prefixLength)) - 1n) << BigInt(32 - subnet.cidr.prefixLength),
    4,
  );
  return [
    `--dhcp-range=${first.address},${last.address},${mask},${raw.lease ?? '1h'}`,
    `--dhcp-option=option:router${gateway === '' ? '' : `,${gateway}`}`,
    ...['--dhcp-authoritative', '--no-ping', '--dhcp-leasefile={folder}/leases'],
  ];
}

/** A static address in a range would be given away to somebody else, too. */
function takenAddress(
  network: Network,
  { first, last }: { readonly first: Ip; readonly last: Ip },
  { cidr }: Subnet,
): Subnet | undefined {
  return network.subnets().find(({ address, cidr: other }) => {
    const ip = parseIp(address.address);
    return (
      ip?.family === 4 && other.network === cidr.network && first.value <= ip.value && ip.value <= last.value
    );
  });
}
