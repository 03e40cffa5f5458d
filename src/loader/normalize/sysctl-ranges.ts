/** What a parameter takes: so many integers, each within these bounds. */
export interface SysctlRange {
  readonly least: number;
  readonly most: number;
  /** 1 when left out. A file with several keeps those that are not written, so all are asked for. */
  readonly count?: number;
  /** The second is not below the first. */
  readonly isRange?: boolean;
}

const INT = 2 ** 31 - 1;
const flag: SysctlRange = { least: 0, most: 1 };
/** proc_dou8vec_minmax without bounds of its own. */
const byte: SysctlRange = { least: 0, most: 255 };
const port: SysctlRange = { least: 0, most: 65_535 };
const buffers: SysctlRange = { least: 1, most: INT, count: 3 };

/**
 * The bounds that the kernel enforces (extra1 and extra2 in net/ipv4/sysctl_net_ipv4.c, net/ipv6/sysctl_net_ipv6.c,
 * net/ipv6/addrconf.c and net/core/sysctl_net_core.c), tried on Linux 6.18. Where kernels differ it is the widest; a name
 * that is not here is left to the kernel. `*` stands for an interface.
 */
const ranges: Readonly<Record<string, SysctlRange>> = {
  'net.core.somaxconn': { least: 0, most: INT },
  'net.ipv4.fib_multipath_hash_fields': { least: 1, most: 4095 },
  'net.ipv4.fib_multipath_hash_policy': { least: 0, most: 3 },
  'net.ipv4.fib_multipath_use_neigh': flag,
  'net.ipv4.icmp_echo_ignore_all': flag,
  'net.ipv4.icmp_echo_ignore_broadcasts': flag,
  'net.ipv4.ip_autobind_reuse': flag,
  'net.ipv4.ip_default_ttl': { least: 1, most: 255 },
  'net.ipv4.ip_local_port_range': { least: 1, most: 65_535, count: 2, isRange: true },
  'net.ipv4.ip_no_pmtu_disc': byte,
  'net.ipv4.ip_unprivileged_port_start': port,
  // `1 0` is nobody; the highest group is 4294967294 (GID_T_MAX).
  'net.ipv4.ping_group_range': { least: 0, most: 2 ** 32 - 2, count: 2 },
  'net.ipv4.raw_l3mdev_accept': flag,
  'net.ipv4.tcp_adv_win_scale': { least: -31, most: 31 },
  'net.ipv4.tcp_comp_sack_nr': byte,
  'net.ipv4.tcp_early_retrans': { least: 0, most: 4 },
  'net.ipv4.tcp_ecn': byte,
  'net.ipv4.tcp_l3mdev_accept': flag,
  'net.ipv4.tcp_min_snd_mss': { least: 48, most: 65_535 },
  'net.ipv4.tcp_mtu_probing': byte,
  'net.ipv4.tcp_retries1': byte,
  'net.ipv4.tcp_rmem': buffers,
  'net.ipv4.tcp_sack': byte,
  'net.ipv4.tcp_syn_retries': { least: 1, most: 127 },
  'net.ipv4.tcp_synack_retries': byte,
  'net.ipv4.tcp_syncookies': byte,
  'net.ipv4.tcp_timestamps': byte,
  'net.ipv4.tcp_window_scaling': byte,
  'net.ipv4.tcp_wmem': buffers,
  'net.ipv4.udp_l3mdev_accept': flag,
  'net.ipv6.auto_flowlabels': { least: 0, most: 3 },
  'net.ipv6.bindv6only': byte,
  'net.ipv6.conf.*.addr_gen_mode': { least: 0, most: 3 },
  'net.ipv6.conf.*.hop_limit': { least: 1, most: 255 },
  'net.ipv6.conf.*.ioam6_id': { least: 0, most: 65_535 },
  'net.ipv6.fib_multipath_hash_policy': { least: 0, most: 3 },
  'net.ipv6.flowlabel_reflect': { least: 0, most: 7 },
};

/** The bounds of a parameter in full notation; undefined: none that is known. */
export function sysctlRange(name: string): SysctlRange | undefined {
  const key = name.replace(/^(net\.ipv[46]\.(?:conf|neigh))\.[^.]+\./, '$1.*.');
  return Object.hasOwn(ranges, key) ? ranges[key] : undefined;
}
