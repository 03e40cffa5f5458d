import { groupBy } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { bridgeOf, type Device, type Interface } from '../../topology/model.ts';
import { interfaceKey } from '../normalize/context.ts';
import { isDevice } from '../normalize/devices.ts';
import type { Network } from '../normalize/network.ts';
import type { Report } from '../normalize/problem.ts';
import type { Subject } from './rules.ts';
import { nameOf } from './segments.ts';

/** Kinds that take every frame that comes in by the interface below (netdev_rx_handler_register). */
const takers: ReadonlySet<string> = new Set(['macvlan', 'macvtap', 'ipvlan']);

/** What an interface can be on top of, and what may be on top of one together. */
export function checkStacks({ topology, network }: Subject, report: Report): void {
  const byBelow = new Map<string, Device>();
  for (const item of topology.interfaces) {
    if (!isDevice(item) || item.link === undefined) continue;
    const below = network.interfaceOf(item.link.namespace, item.link.name);
    const place: Place = { pointer: `${item.place.pointer}/link`, part: 'value' };
    const problem =
      (below && (findObstacle(item, below) ?? checkMaster(item, below, network))) ??
      checkOthers(item, byBelow);
    if (problem !== undefined) report({ code: 'device', place, ...problem });
  }
}

interface Problem {
  readonly message: string;
  readonly help?: string;
}

/** Kinds without Ethernet frames, or that refuse to be below (NETIF_F_VLAN_CHALLENGED, IFF_NO_RX_HANDLER). */
const noBelow: ReadonlyMap<string, string> = new Map([
  ['gre', 'carries IP packets and no Ethernet frames'],
  ['ip6gre', 'carries IP packets and no Ethernet frames'],
  ['tun', 'carries IP packets and no Ethernet frames'],
  ['vrf', 'is a VRF, which only routes'],
]);

function findObstacle(item: Device, below: Interface): Problem | undefined {
  const { kind, state, namespace } = item;
  const name = nameOf(below);
  const reason = noBelow.get(below.kind);
  if (reason !== undefined) return { message: `${name} ${reason}, so no ${kind} can be on top of it` };
  if (below.kind === 'ipvlan' && kind !== 'ipvlan')
    return { message: `${name} is an ipvlan, and no ${kind} can be on top of it` };
  // The kernel would put it on top of what that one is on top of (macvlan_common_newlink, ipvlan_link_new).
  const isSame =
    kind === 'ipvlan' ? below.kind === 'ipvlan' : takers.has(kind) && below.kind.startsWith('macv');
  if (isSame && isDevice(below) && below.link !== undefined) {
    const { link } = below;
    const written = link.namespace === namespace ? link.name : nameOf(link);
    return {
      message: `${name} is ${below.kind === 'ipvlan' ? 'an' : 'a'} ${below.kind} itself`,
      help: `write link: "${written}", as ${below.name} has it`,
    };
  }
  // vlan_dev_open in net/8021q/vlan_dev.c.
  if (kind === 'vlan' && state === 'up' && below.state === 'down')
    return {
      message: `${nameOf(item)} cannot be up while ${name} is down`,
      help: 'set state: down here too',
    };
  return undefined;
}

/** A bridge and a bond take all frames of their ports too. */
function checkMaster(item: Device, below: Interface, network: Network): Problem | undefined {
  const name = below.kind === 'ovs-internal' ? below.master : bridgeOf(below);
  if (!takers.has(item.kind) || name === undefined) return undefined;
  const master = network.interfaceOf(below.namespace, name);
  if (master?.kind !== 'bridge' && master?.kind !== 'ovs-bridge' && master?.kind !== 'bond') return undefined;
  const title = master.kind === 'bond' ? 'bond' : 'bridge';
  return {
    message: `${nameOf(below)} gives its frames to ${title} ${master.name}, so no ${item.kind} can be on top of it`,
    help: `use link: "${nameOf(master)}"`,
  };
}

/** The first one on top of an interface says what else can be there. */
function checkOthers(item: Device, byBelow: Map<string, Device>): Problem | undefined {
  if (!takers.has(item.kind) || item.link === undefined) return undefined;
  const key = interfaceKey(item.link.namespace, item.link.name);
  const first = byBelow.get(key);
  if (first === undefined) {
    byBelow.set(key, item);
    return undefined;
  }
  const [below, other] = [nameOf(item.link), nameOf(first)];
  if ((item.kind === 'ipvlan') !== (first.kind === 'ipvlan'))
    return {
      message: `${below} gives its frames to the ${first.kind} ${other}, so no ${item.kind} can be on top of it`,
    };
  if (item.settings['mode'] === 'passthru' || first.settings['mode'] === 'passthru')
    return { message: `in mode passthru one interface alone is on top of ${below}, and there is ${other}` };
  const isOther = (['mode', 'flag'] as const).some((name) => item.settings[name] !== first.settings[name]);
  if (item.kind !== 'ipvlan' || !isOther) return undefined;
  const words = `mode: ${String(first.settings['mode'])}, flag: ${String(first.settings['flag'])}`;
  return { message: `all ipvlan on top of ${below} have one mode and flag; ${other} has ${words}` };
}

/** What is on top of an interface, or has it as a member, cannot be below it as well. */
export function checkStackLoops({ topology, network }: Subject, report: Report): void {
  const done = new Set<Interface>();
  const members = groupBy(
    topology.interfaces.filter(({ master }) => master !== undefined),
    ({ namespace, master = '' }) => interfaceKey(namespace, master),
  );
  for (const start of topology.interfaces) {
    const path: Interface[] = [];
    const visit = (item: Interface): void => {
      if (path.includes(item)) {
        const loop = path.slice(path.indexOf(item));
        // What names itself is reported where it does so.
        if (loop.length === 1) return;
        const names = [...loop, item].map((each) => nameOf(each)).join(' -> ');
        report({
          code: 'device',
          message: `interfaces are on top of each other in a circle: ${names}`,
          place: item.place,
        });
        return;
      }
      if (done.has(item)) return;
      path.push(item);
      for (const below of belowOf(item)) visit(below);
      path.pop();
      done.add(item);
    };
    if (isDevice(start) && start.link !== undefined) visit(start);
  }

  function belowOf(item: Interface): Interface[] {
    const link = isDevice(item) ? item.link : undefined;
    const found = link && network.interfaceOf(link.namespace, link.name);
    const ports = members.get(interfaceKey(item.namespace, item.name)) ?? [];
    return [...(found === undefined ? [] : [found]), ...ports];
  }
}

/** Two VRFs with one table would be one. */
export function checkVrfTables({ topology }: Subject, report: Report): void {
  const seen = new Map<string, Device>();
  for (const item of topology.interfaces) {
    if (!isDevice(item) || item.kind !== 'vrf') continue;
    const key = `${item.namespace} ${item.settings['table']}`;
    const earlier = seen.get(key);
    if (earlier === undefined) {
      seen.set(key, item);
      continue;
    }
    report({
      code: 'device',
      message: `table ${item.settings['table']} is already that of ${nameOf(earlier)}; each VRF has its own`,
      place: { pointer: `${item.place.pointer}/table`, part: 'value' },
      related: [{ message: `${nameOf(earlier)} is here`, place: earlier.place }],
    });
  }
}
