/** Of these families, the kernel reads all with proc_dointvec or one like it: nothing but a C int, in any C notation. */
const integerFamilies = /^net\.(?:ipv[46]\.(?:conf|neigh)\.[^.]+|ipv4|ipv6|core|netfilter)\.([a-z0-9_]+)$/;

/** Also known to be one, outside of the families below an interface's name. */
const integers = new Set(
  'ip_forward ip_default_ttl ip_nonlocal_bind ip_forward_use_pmtu ip_no_pmtu_disc tcp_syncookies tcp_timestamps tcp_sack tcp_window_scaling tcp_ecn tcp_fin_timeout tcp_keepalive_time tcp_keepalive_intvl tcp_keepalive_probes tcp_mtu_probing tcp_l3mdev_accept udp_l3mdev_accept raw_l3mdev_accept fib_multipath_use_neigh fib_multipath_hash_policy icmp_echo_ignore_all icmp_echo_ignore_broadcasts igmp_max_memberships somaxconn bindv6only'.split(
    ' ',
  ),
);

/** What the kernel would refuse of a value; undefined: nothing that is known. */
export function sysctlValueProblem(
  name: string,
  value: string,
): { readonly message: string; readonly help: string } | undefined {
  const [, last = ''] = integerFamilies.exec(name) ?? [];
  if (last === '' || last === 'stable_secret') return undefined;
  const isBelowDevice = /^net\.ipv[46]\.(?:conf|neigh)\./.test(name);
  if (!isBelowDevice && !integers.has(last)) return undefined;
  const number = /^-?(?:0[xX][0-9a-fA-F]+|[0-9]+)$/.test(value)
    ? Number(value.replace('-', '')) * (value.startsWith('-') ? -1 : 1)
    : undefined;
  if (number === undefined)
    return {
      message: `${name} takes an integer, not '${value}'`,
      help: 'write the number alone, without a unit',
    };
  if (number >= -(2 ** 31) && number < 2 ** 31) return undefined;
  // Some are unsigned (ucast_solicit and the like are not): a C unsigned int is the most that any of them takes.
  if (isBelowDevice && number >= 0 && number < 2 ** 32) return undefined;
  return {
    message: `${value} does not fit ${name}, which is a 32-bit integer`,
    help: 'write a smaller number',
  };
}
