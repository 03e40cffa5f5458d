import { type BridgeParameter, bridgeDefaults } from '../topology/bridge.ts';
import type { Bridge } from '../topology/model.ts';
import { bridgeCodec } from './bridge-codec.ts';
import { readRouter, writeRouter } from './bridge-router.ts';
import { defineLinkKind, registerKernelFeature } from './interface.ts';
import { sameValue, type Value } from './resource.ts';

/** How a parameter is written and read: its word, and its name in the JSON where that is another. */
interface Parameter {
  readonly name: string;
  readonly json?: string;
  readonly read: (value: unknown) => Value;
  readonly write: (value: unknown) => string;
}

/** In the order in which they are written; ip-link(8). Times are hundredths of a second (USER_HZ). */
const parameters: Readonly<Record<BridgeParameter, Parameter>> = {
  stp: flag('stp_state'),
  priority: number('priority'),
  'forward-delay': time('forward_delay'),
  'hello-time': time('hello_time'),
  'max-age': time('max_age'),
  'ageing-time': time('ageing_time'),
  'vlan-filtering': flag('vlan_filtering'),
  'vlan-protocol': text('vlan_protocol'),
  'vlan-default-pvid': number('vlan_default_pvid'),
  'vlan-stats': flag('vlan_stats_enabled'),
  'group-forward-mask': number('group_fwd_mask'),
  'group-address': text('group_address', 'group_addr'),
  'no-linklocal-learn': flag('no_linklocal_learn'),
  'mcast-snooping': flag('mcast_snooping'),
  'mcast-querier': flag('mcast_querier'),
  'mcast-router': { name: 'mcast_router', read: readRouter, write: writeRouter },
  'mcast-query-use-ifaddr': flag('mcast_query_use_ifaddr'),
  'mcast-query-interval': time('mcast_query_interval', 'mcast_query_intvl'),
  'mcast-query-response-interval': time('mcast_query_response_interval', 'mcast_query_response_intvl'),
  'mcast-querier-interval': time('mcast_querier_interval', 'mcast_querier_intvl'),
  'mcast-membership-interval': time('mcast_membership_interval', 'mcast_membership_intvl'),
  'mcast-last-member-interval': time('mcast_last_member_interval', 'mcast_last_member_intvl'),
  'mcast-last-member-count': number('mcast_last_member_count', 'mcast_last_member_cnt'),
  'mcast-startup-query-interval': time('mcast_startup_query_interval', 'mcast_startup_query_intvl'),
  'mcast-startup-query-count': number('mcast_startup_query_count', 'mcast_startup_query_cnt'),
  'mcast-hash-max': number('mcast_hash_max'),
  'mcast-igmp-version': number('mcast_igmp_version'),
  'mcast-mld-version': number('mcast_mld_version'),
  'mcast-stats': flag('mcast_stats_enabled'),
  'nf-call-iptables': flag('nf_call_iptables'),
  'nf-call-ip6tables': flag('nf_call_ip6tables'),
  'nf-call-arptables': flag('nf_call_arptables'),
};

const names = Object.keys(parameters) as BridgeParameter[];
/** Written with every bridge, so that a kernel with other defaults makes no second round. */
const always = new Set<BridgeParameter>([
  'stp',
  'priority',
  'forward-delay',
  'hello-time',
  'max-age',
  'ageing-time',
]);

registerKernelFeature({
  name: 'bridge VLAN filtering',
  isNeeded: ({ kind, attributes }) => kind === 'bridge' && attributes['vlan-filtering'] === true,
  kind: 'bridge',
  words: ['vlan_filtering', '1'],
  brings:
    'it takes a kernel with CONFIG_BRIDGE_VLAN_FILTERING; on Debian that is the package linux-image-amd64',
});

/** A Linux bridge; every parameter changes on the running bridge. */
export const bridgeKind = defineLinkKind<Bridge>('bridge', {
  kinds: ['bridge'],
  infoKind: () => 'bridge',
  codec: () => bridgeCodec,
  changes: Object.fromEntries(names.map((name) => [name, 'in-place'])),
  lower: ({ parameters: wanted }) => ({ ...wanted }),
  read: (link) => {
    const data = link.linkinfo?.info_data ?? {};
    const found = names.flatMap((name) => {
      const { name: word, json = word, read } = parameters[name];
      return data[json] === undefined ? [] : [[name, read(data[json])] as const];
    });
    // While the spanning tree changes, the kernel ages addresses faster, and shows that (__br_set_topology_change in
    // net/bridge/br_stp.c): the value that was set is not to be seen then.
    return Object.fromEntries(
      found.filter(([name]) => name !== 'ageing-time' || data['topology_change'] !== 1),
    );
  },
  same: (attribute, wanted, live) => {
    const own = attribute as BridgeParameter;
    if (parameters[own] === undefined) return sameValue(attribute, wanted, live);
    // A kernel that is built without a part of the bridge does not show its parameters.
    if (live === undefined) return own === 'ageing-time' || wanted === bridgeDefaults[own];
    if (wanted === live) return true;
    // The kernel counts in ticks, which are no whole hundredths of a second where HZ is 250 or 300.
    return isTime(own) && Math.abs(Number(wanted) - Number(live)) < 0.011;
  },
  create: ({ namespace, label, attributes }, { settings }) => {
    const set = names.filter((name) => always.has(name) || attributes[name] !== bridgeDefaults[name]);
    return [
      {
        tool: 'ip',
        namespace,
        args: ['link', 'add', 'name', label, ...settings, 'type', 'bridge', ...words(attributes, set)],
      },
    ];
  },
  typeMessages: (attributes, changed) => {
    const wanted = names.filter((name) => changed.includes(name));
    // The kernel refuses a forward delay below two seconds while the spanning tree runs (br_set_forward_delay in
    // net/bridge/br_stp.c), and takes the times of a message before the switch (br_changelink): off goes first.
    const isOff = wanted.includes('stp') && attributes['stp'] === false;
    const messages = isOff ? [['stp'] as const, wanted.filter((name) => name !== 'stp')] : [wanted];
    return messages.filter((message) => message.length > 0).map((message) => words(attributes, message));
  },
});

function words(
  attributes: Readonly<Record<string, Value>>,
  wanted: readonly BridgeParameter[],
): readonly string[] {
  return wanted.flatMap((name) => [parameters[name].name, parameters[name].write(attributes[name])]);
}

function isTime(name: BridgeParameter): boolean {
  return /-(interval|delay|time|age)$/.test(name);
}

function flag(name: string): Parameter {
  return { name, read: (value) => Number(value) !== 0, write: (value) => (value ? '1' : '0') };
}

function number(name: string, json = name): Parameter {
  return { name, json, read: Number, write: String };
}

function text(name: string, json = name): Parameter {
  return { name, json, read: String, write: String };
}

function time(name: string, json = name): Parameter {
  return {
    name,
    json,
    read: (value) => Number(value) / 100,
    write: (value) => String(Math.round(Number(value) * 100)),
  };
}
