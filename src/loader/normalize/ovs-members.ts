import { pointer } from '../../lib/pointer.ts';
import { HOST } from '../../topology/model.ts';
import { type Context, type InterfaceDraft, interfaceKey } from './context.ts';
import { findMember, type Member } from './members.ts';
import { addOvsPort, addPort, expandVlan, isOvsBridge, listNamed } from './ovs.ts';

/** The ports of Open vSwitch bridges that are interfaces of the file, alone or in a bond. */
export function normalizeOvsMembers(context: Context): void {
  for (const [bridge, raw] of Object.entries(context.data.bridges ?? {})) {
    const item = context.entries.get(interfaceKey(HOST, bridge))?.item;
    if (!isOvsBridge(raw) || item?.kind !== 'ovs-bridge') continue;
    const base = pointer('bridges', bridge);
    for (const { name, settings, ...at } of listNamed(raw.members, `${base}/members`)) {
      const found = findOvsMember(context, bridge, { member: name, place: at.place });
      if (found === undefined) continue;
      found.ovsBridge = bridge;
      addOvsPort(context, item, { name, raw: settings, ...at });
    }
    for (const [name, bond] of Object.entries(raw.bonds ?? {})) {
      const at = `${base}/bonds${pointer(name)}`;
      const members = bond.members.filter((member, index) => {
        const place = { pointer: `${at}/members/${index}`, part: 'value' } as const;
        const found = findOvsMember(context, bridge, { member, place });
        if (found !== undefined) found.ovsBridge = bridge;
        return found !== undefined;
      });
      const { mode = 'active-backup', lacp = 'off' } = bond;
      if (mode === 'balance-tcp' && lacp === 'off') {
        context.report({
          code: 'ovs',
          message: 'balance-tcp spreads connections only over members that LACP has found',
          place: { pointer: `${at}/mode`, part: 'value' },
          help: 'add lacp: active, or use mode: balance-slb',
        });
      }
      addPort(context, item, {
        name,
        form: { is: 'bond', members: [...members].sort(), mode, lacp },
        vlan: expandVlan(context, bond, at),
        place: { pointer: at, part: 'key' },
      });
    }
  }
}

function findOvsMember(
  context: Context,
  bridge: string,
  member: Omit<Member, 'settings'>,
): InterfaceDraft | undefined {
  const item = findMember(context, { kind: 'bridge', namespace: HOST, name: bridge }, member);
  if (item?.kind !== 'ovs-bridge' && item?.kind !== 'ovs-internal') return item;
  context.report({
    code: 'member',
    message: `${member.member} belongs to another Open vSwitch bridge, so it cannot be a port of this one`,
    place: member.place,
    help: `join the two bridges: patches: [${item.kind === 'ovs-bridge' ? item.name : item.ovsBridge}]`,
  });
  return undefined;
}
