import { append } from '../lib/collections.ts';
import type { IpLink } from '../observe/live.ts';
import type { LabRecord } from '../system/record.ts';
import { interfaceId, interfaceOwner } from './interface.ts';
import type { Command, Kind, LiveResource, Resource } from './resource.ts';

interface Option {
  /** Its word in `ip link set` (ip-link(8)). */
  readonly word: string;
  /** Its value on a link, in the words of ip(8). */
  readonly read: (link: IpLink) => string | undefined;
  /** What the kernel gives a new interface (the `setup` functions under drivers/net and net). */
  readonly usual: (made: Made) => string;
}

/** By its kind, and by the kind whose flags it started with. */
interface Made {
  readonly kind: string;
  readonly withFlagsOf: string;
}

const tunnelKinds = ['wireguard', 'gre', 'ip6gre', 'ipip', 'sit', 'ip6tnl'];
/** Kinds that the kernel makes without multicast, and without neighbour discovery. */
const withoutMulticast = new Set(['dummy', 'ifb', 'vrf', ...tunnelKinds]);
const withoutArp = new Set([...withoutMulticast, 'tun']);
/** TX_Q_LIMIT of ifb.c and TUN_READQ_SIZE of tun.c; all else has DEFAULT_TX_QUEUE_LEN. */
const queueLengths: Readonly<Record<string, string>> = { ifb: '32', tun: '500' };

const options: Readonly<Record<string, Option>> = {
  promiscuous: { word: 'promisc', read: ({ flags }) => onOff(flags.includes('PROMISC')), usual: () => 'off' },
  'all-multicast': {
    word: 'allmulticast',
    read: ({ flags }) => onOff(flags.includes('ALLMULTI')),
    usual: () => 'off',
  },
  multicast: {
    word: 'multicast',
    read: ({ flags }) => onOff(flags.includes('MULTICAST')),
    usual: ({ withFlagsOf }) => onOff(!withoutMulticast.has(withFlagsOf)),
  },
  arp: {
    word: 'arp',
    read: ({ flags }) => onOff(!flags.includes('NOARP')),
    usual: ({ withFlagsOf }) => onOff(!withoutArp.has(withFlagsOf)),
  },
  'transmit-queue-length': {
    word: 'txqueuelen',
    read: ({ txqlen = 0 }) => String(txqlen),
    usual: ({ kind }) => queueLengths[kind] ?? '1000',
  },
  'gso-max-size': {
    word: 'gso_max_size',
    read: (link) => numberText(link.gso_max_size),
    usual: () => '65536',
  },
  'gso-max-segments': {
    word: 'gso_max_segs',
    read: (link) => numberText(link.gso_max_segs),
    usual: () => '65535',
  },
  'gro-max-size': {
    word: 'gro_max_size',
    read: (link) => numberText(link.gro_max_size),
    usual: () => '65536',
  },
};

/**
 * What `ip link set` can change of any interface. An option always has a value, so it is only ever changed; the record
 * under /run remembers which ones the lab set and the values from before, which come back when they leave the file.
 */
export const optionKind: Kind = {
  name: 'option',
  changes: { value: 'in-place' },
  lower: ({ topology }) =>
    topology.interfaces.flatMap((item) =>
      Object.entries(item.options ?? {}).map(([option, value]) => ({
        ...optionResource(item.namespace, item.name, {
          option,
          value: typeof value === 'boolean' ? onOff(value) : String(value),
        }),
        place: item.place,
      })),
    ),
  read: (live, { lab, record, wanted }) => {
    const asked = new Map<string, string[]>();
    for (const [id, { kind }] of wanted) if (kind === 'option') addAsked(asked, id);
    for (const id of Object.keys(record.options ?? {})) if (!wanted.has(id)) addAsked(asked, id);
    if (asked.size === 0) return [];
    const found: LiveResource[] = [];
    for (const { name: namespace, links } of live.namespaces.values()) {
      const byName = new Map(links.map((link) => [link.ifname, link]));
      for (const link of links) {
        const names = asked.get(interfaceId(namespace, link.ifname));
        if (names === undefined || interfaceOwner(link, lab) !== 'ours') continue;
        const kind = made(link, byName);
        for (const name of names) {
          const live = readOption(namespace, { link, name, kind }, record.options);
          if (live !== undefined && (live.owner === 'ours' || wanted.has(live.id))) found.push(live);
        }
      }
    }
    return found;
  },
  requires: ({ namespace, attributes }) => [interfaceId(namespace, String(attributes['dev']))],
  create: (resource) => [set(resource, 'value')],
  update: ({ wanted }) => [set(wanted, 'value')],
  remove: (resource) => [set(resource, 'before')],
};

function readOption(
  namespace: string,
  { link, name, kind }: { readonly link: IpLink; readonly name: string; readonly kind: Made },
  recorded: LabRecord['options'],
): LiveResource | undefined {
  const option = options[name];
  const value = option?.read(link);
  if (option === undefined || value === undefined) return undefined;
  const resource = optionResource(namespace, link.ifname, { option: name, value });
  const before = recorded?.[resource.id];
  // Nothing was there before on an interface that had it from the start.
  const usual = before || option.usual(kind);
  const isOurs = before !== undefined && usual !== value;
  const attributes = { ...resource.attributes, before: usual };
  return { ...resource, attributes, owner: isOurs ? 'ours' : 'builtin' };
}

function addAsked(asked: Map<string, string[]>, id: string): void {
  const at = id.indexOf(infix);
  append(asked, id.slice(0, at), id.slice(at + infix.length));
}

/** A VLAN starts with the flags of the interface below it (vlan_dev_init in net/8021q/vlan_dev.c). */
function made(link: IpLink, byName: ReadonlyMap<string, IpLink>): Made {
  const kind = kindName(link);
  const below = kind === 'vlan' ? byName.get(link.link ?? '') : undefined;
  return { kind, withFlagsOf: below === undefined ? kind : made(below, byName).withFlagsOf };
}

/** IFLA_INFO_KIND; the driver of tun has two kinds. */
function kindName({ linkinfo }: IpLink): string {
  const { info_kind: kind = '', info_data: data } = linkinfo ?? {};
  return kind === 'tun' ? String(data?.['type'] ?? kind) : kind;
}

const infix = '/option/';

function optionResource(
  namespace: string,
  name: string,
  { option, value }: { readonly option: string; readonly value: string },
): Resource {
  return {
    kind: 'option',
    id: `${interfaceId(namespace, name)}${infix}${option}`,
    namespace,
    label: `${option} of ${name}`,
    attributes: { dev: name, name: option, value },
  };
}

function set({ namespace, attributes }: Resource, which: 'value' | 'before'): Command {
  const word = options[String(attributes['name'])]?.word ?? '';
  const args = ['link', 'set', 'dev', String(attributes['dev']), word, String(attributes[which])];
  return { tool: 'ip', namespace, args };
}

function onOff(is: boolean): string {
  return is ? 'on' : 'off';
}

function numberText(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}
