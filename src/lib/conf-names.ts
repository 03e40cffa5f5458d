/** Parameters of an interface below net.ipv4.conf and net.ipv6.conf: which family has which (ip-sysctl.rst). */
const ipv4 = `accept_local arp_accept arp_announce arp_evict_nocarrier arp_filter arp_ignore arp_notify bc_forwarding
bootp_relay disable_xfrm drop_gratuitous_arp force_igmp_version igmpv2_unsolicited_report_interval
igmpv3_unsolicited_report_interval log_martians medium_id promote_secondaries proxy_arp proxy_arp_pvlan route_localnet
rp_filter secure_redirects send_redirects shared_media src_valid_mark tag`;

const ipv6 = `accept_dad accept_ra accept_ra_defrtr accept_ra_from_local accept_ra_min_hop_limit accept_ra_min_lft
accept_ra_mtu accept_ra_pinfo accept_ra_rt_info_max_plen accept_ra_rt_info_min_plen accept_ra_rtr_pref accept_untracked_na
addr_gen_mode autoconf dad_transmits disable_ipv6 drop_unsolicited_na enhanced_dad force_forwarding force_mld_version
force_tllao hop_limit ioam6_enabled ioam6_id ioam6_id_wide keep_addr_on_down max_addresses max_desync_factor
mldv1_unsolicited_report_interval mldv2_unsolicited_report_interval mtu ndisc_evict_nocarrier ndisc_notify ndisc_tclass
optimistic_dad proxy_ndp ra_defrtr_metric ra_honor_pio_life ra_honor_pio_pflag regen_max_retry regen_min_advance
router_probe_interval router_solicitation_delay router_solicitation_interval router_solicitation_max_interval
router_solicitations rpl_seg_enabled seg6_enabled seg6_require_hmac suppress_frag_ndisc temp_prefered_lft temp_valid_lft
use_oif_addrs_only use_optimistic use_tempaddr`;

const both = `accept_redirects accept_source_route disable_policy drop_unicast_in_l2_multicast forwarding
ignore_routes_with_linkdown mc_forwarding`;

/** Below net.ipv4.neigh and net.ipv6.neigh. */
const neigh = `anycast_delay app_solicit base_reachable_time base_reachable_time_ms delay_first_probe_time gc_stale_time
interval_probe_time_ms locktime mcast_resolicit mcast_solicit proxy_delay proxy_qlen retrans_time retrans_time_ms
ucast_solicit unres_qlen unres_qlen_bytes`;

function namesIn(text: string): ReadonlySet<string> {
  return new Set(text.split(/\s+/));
}

const families: readonly (readonly ['ipv4' | 'ipv6', ReadonlySet<string>])[] = [
  ['ipv4', namesIn(ipv4)],
  ['ipv6', namesIn(ipv6)],
];

/** Names that both families have. */
export const ambiguousConf = namesIn(both);
export const neighNames = namesIn(neigh);
export const confNames: readonly string[] = families.flatMap(([, names]) => [...names]);

/** The only family that has a parameter of this name. */
export function familyOfConf(name: string): 'ipv4' | 'ipv6' | undefined {
  return families.find(([, names]) => names.has(name))?.[0];
}
