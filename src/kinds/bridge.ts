import type { Bridge } from '../topology/model.ts';
import { defineLinkKind } from './interface.ts';
import { tableCodec, u8, u16, u32 } from './link-codec.ts';
import type { Attributes } from './resource.ts';

/** The kernel's names, and its units: hundredths of a second (USER_HZ) for times; ip-link(8). */
const parameters = {
  stp: {
    name: 'stp_state',
    read: (value: number) => value !== 0,
    write: (value: unknown) => (value ? 1 : 0),
  },
  priority: { name: 'priority', read: (value: number) => value, write: Number },
  'forward-delay': { name: 'forward_delay', read: seconds, write: hundredths },
  'hello-time': { name: 'hello_time', read: seconds, write: hundredths },
  'max-age': { name: 'max_age', read: seconds, write: hundredths },
  'ageing-time': { name: 'ageing_time', read: seconds, write: hundredths },
} as const;

type ParameterName = keyof typeof parameters;
const names = Object.keys(parameters) as ParameterName[];

/** IFLA_BR_* of linux/if_link.h. */
const codec = tableCodec({
  forward_delay: u32(1),
  hello_time: u32(2),
  max_age: u32(3),
  ageing_time: u32(4),
  stp_state: u32(5),
  priority: u16(6),
  vlan_filtering: u8(7),
  topology_change: u8(14),
});

/** A Linux bridge; every parameter changes on the running bridge. */
export const bridgeKind = defineLinkKind<Bridge>('bridge', {
  kinds: ['bridge'],
  infoKind: () => 'bridge',
  codec: () => codec,
  changes: Object.fromEntries(names.map((name) => [name, 'in-place'])),
  lower: ({ parameters: wanted }) => ({
    stp: wanted.stp,
    priority: wanted.priority,
    'forward-delay': wanted.forwardDelay,
    'hello-time': wanted.helloTime,
    'max-age': wanted.maxAge,
    'ageing-time': wanted.ageingTime,
  }),
  read: (link) => {
    const data = link.linkinfo?.info_data ?? {};
    const found = names.map(
      (name) => [name, parameters[name].read(Number(data[parameters[name].name]))] as const,
    );
    // While the spanning tree changes, the kernel ages addresses faster, and shows that (__br_set_topology_change in
    // net/bridge/br_stp.c): the value that was set is not to be seen then.
    return Object.fromEntries(
      found.filter(([name]) => name !== 'ageing-time' || data['topology_change'] !== 1),
    );
  },
  same: (attribute, wanted, live) => wanted === live || (attribute === 'ageing-time' && live === undefined),
  create: ({ namespace, label, attributes }, { settings }) => [
    {
      tool: 'ip',
      namespace,
      args: ['link', 'add', 'name', label, ...settings, 'type', 'bridge', ...words(attributes, names)],
    },
  ],
  typeMessages: (attributes, changed) => {
    const wanted = names.filter((name) => changed.includes(name));
    // The kernel refuses a forward delay below two seconds while the spanning tree runs (br_set_forward_delay in
    // net/bridge/br_stp.c), and takes the times of a message before the switch (br_changelink): off goes first.
    const isOff = wanted.includes('stp') && attributes['stp'] === false;
    const messages = isOff ? [['stp'] as const, wanted.filter((name) => name !== 'stp')] : [wanted];
    return messages.filter((message) => message.length > 0).map((message) => words(attributes, message));
  },
});

function words(attributes: Attributes, wanted: readonly ParameterName[]): string[] {
  return wanted.flatMap((name) => [parameters[name].name, String(parameters[name].write(attributes[name]))]);
}

function seconds(value: number): number {
  return value / 100;
}

function hundredths(value: unknown): number {
  return Math.round(Number(value) * 100);
}
