import { HOST, type Interface, type Namespace, type Sysctl } from '../../topology/model.ts';
import type { Network } from '../normalize/network.ts';
import type { Report } from '../normalize/problem.ts';
import { suggest } from '../suggest.ts';
import type { Subject } from './rules.ts';

/** The parameters behind `forwarding`; ip_forward and conf.all.forwarding are one in the kernel (devinet_sysctl_forward). */
const forwardingNames: ReadonlyMap<string, 'ipv4' | 'ipv6'> = new Map([
  ['net.ipv4.ip_forward', 'ipv4'],
  ['net.ipv4.conf.all.forwarding', 'ipv4'],
  ['net.ipv6.conf.all.forwarding', 'ipv6'],
]);

/** One parameter has one place: at the interface, or under the namespace's `sysctls`. */
export function checkInterfaceSysctls({ topology }: Subject, report: Report): void {
  const ofNamespaces = new Map<string, Sysctl>();
  for (const { name: namespace, sysctls } of topology.namespaces)
    for (const sysctl of sysctls) ofNamespaces.set(`${namespace} ${sysctl.name}`, sysctl);
  if (ofNamespaces.size === 0) return;
  for (const { namespace, sysctls = [] } of topology.interfaces) {
    for (const { name, place } of sysctls) {
      const other = ofNamespaces.get(`${namespace} ${name}`);
      if (other === undefined) continue;
      report({
        code: 'bad-sysctl',
        message: `${name} is set for the namespace already`,
        place,
        related: [{ message: 'it is set here', place: other.place }],
      });
    }
  }
}

export function checkSysctls({ topology, network }: Subject, report: Report): void {
  for (const namespace of topology.namespaces) {
    for (const sysctl of namespace.sysctls) {
      const problem =
        nameProblem(sysctl) ??
        forwardingProblem(sysctl, namespace) ??
        deviceProblem(sysctl, namespace, network);
      if (problem === undefined) continue;
      report({ code: 'bad-sysctl', place: sysctl.place, ...problem });
    }
  }
}

/** Below it the kernel takes net.ipv6.conf and net.ipv6.neigh of the interface away (addrconf_ifdown, RFC 8200). */
const SMALLEST_IPV6 = 1280;

/** Parameters of IPv6, at the interface or under its namespace, where the mtu leaves no IPv6. */
export function checkIpv6Sysctls({ topology, network }: Subject, report: Report): void {
  const check = (sysctl: Sysctl, item: Interface | undefined) => {
    // The loopback interface keeps them (addrconf_notify in net/ipv6/addrconf.c).
    if (item?.mtu === undefined || item.mtu >= SMALLEST_IPV6 || item.name === 'lo') return;
    report({
      code: 'mtu',
      message: `${item.name} has mtu ${item.mtu}, and with less than ${SMALLEST_IPV6} the kernel has no ${sysctl.name}`,
      place: sysctl.place,
      help: `leave the parameter out, or set the mtu to ${SMALLEST_IPV6} at least`,
      ...(item.mtuPlace === undefined
        ? {}
        : { related: [{ message: 'the mtu is set here', place: item.mtuPlace }] }),
    });
  };
  for (const item of topology.interfaces)
    for (const sysctl of item.sysctls ?? []) if (isOfIpv6(sysctl)) check(sysctl, item);
  for (const { name: namespace, sysctls } of topology.namespaces) {
    for (const sysctl of sysctls) {
      const device = isOfIpv6(sysctl) ? sysctl.name.split('.')[3] : undefined;
      if (device !== undefined) check(sysctl, network.interfaceOf(namespace, device.replaceAll('/', '.')));
    }
  }
}

function isOfIpv6({ name }: Sysctl): boolean {
  return /^net\.ipv6\.(?:conf|neigh)\./.test(name);
}

interface SysctlProblem {
  readonly message: string;
  readonly help?: string;
}

function nameProblem({ name }: Sysctl): SysctlProblem | undefined {
  if (!name.startsWith('net.')) {
    return { message: `'${name}' does not begin with net., and only those belong to a network namespace` };
  }
  if (!/^[A-Za-z0-9._/@+-]+$/.test(name))
    return { message: `'${name}' is not the name of a kernel parameter` };
  // A name becomes a path under /proc/sys and must not lead out of it.
  if (name.split('.').some((part) => part === '' || part.startsWith('/') || part.endsWith('/'))) {
    return { message: `'${name}' has an empty part; write it as sysctl -a prints it` };
  }
  return undefined;
}

function forwardingProblem({ name }: Sysctl, namespace: Namespace): SysctlProblem | undefined {
  const family = forwardingNames.get(name);
  if (family === undefined) return undefined;
  if (namespace.forwarding?.[family] !== undefined) {
    return {
      message: `${name} is what forwarding sets for ${namespace.name} already; leave one of them out`,
    };
  }
  const twin = namespace.sysctls.find(
    (other) => other.name !== name && forwardingNames.get(other.name) === family,
  );
  if (twin === undefined || twin.name > name) return undefined;
  return { message: `${name} and ${twin.name} are one parameter; leave one of them out` };
}

/** An interface that the namespace lacks has no parameters, and writing them would fail in the middle. */
function deviceProblem({ name }: Sysctl, namespace: Namespace, network: Network): SysctlProblem | undefined {
  const [, stem = '', part, rest = ''] =
    /^(net\.(?:ipv4|ipv6)\.(?:conf|neigh))\.([^.]+)\.(.+)$/.exec(name) ?? [];
  if (part !== undefined && rest.includes('.')) {
    const words = [part, ...rest.split('.')];
    const meant = `${stem}.${words.slice(0, -1).join('/')}.${words.at(-1)}`;
    return {
      message: `'${rest}' is not a parameter of ${part}`,
      help: `a dot in the name of an interface is written as a slash: ${meant}`,
    };
  }
  if (part === undefined || ['all', 'default', 'lo'].includes(part) || namespace.name === HOST)
    return undefined;
  const device = part.replaceAll('/', '.');
  if (network.interfaceOf(namespace.name, device) !== undefined) return undefined;
  const nearest = suggest(
    device,
    network.interfacesOf(namespace.name).map((item) => item.name),
  );
  const message = `'${device}' in ${name} is not an interface of ${namespace.name}`;
  return nearest === undefined ? { message } : { message, help: `did you mean '${nearest}'?` };
}
