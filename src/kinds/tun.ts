import { type AccountKind, accountId, accountName } from '../system/accounts.ts';
import { defineDeviceKind } from './device.ts';
import type { LinkCodec } from './link-codec.ts';
import type { Resource } from './resource.ts';

/** IFLA_TUN_* of linux/if_link.h. */
const IFLA_TUN = { OWNER: 1, GROUP: 2, TYPE: 3, PI: 4, PERSIST: 6, MULTI_QUEUE: 7 } as const;

/** rtnetlink shows these devices and makes none ("tun/tap creation via rtnetlink is not supported"). */
const codec: LinkCodec = {
  encode: () => false,
  decode: (data) => {
    const [owner, group] = [data.u32(IFLA_TUN.OWNER), data.u32(IFLA_TUN.GROUP)];
    return {
      // IFF_TUN is 1, IFF_TAP 2.
      type: data.u8(IFLA_TUN.TYPE) === 2 ? 'tap' : 'tun',
      pi: data.u8(IFLA_TUN.PI) === 1,
      multi_queue: data.u8(IFLA_TUN.MULTI_QUEUE) === 1,
      persist: data.u8(IFLA_TUN.PERSIST) === 1,
      ...(owner === undefined ? {} : { user: accountName('user', owner) }),
      ...(group === undefined ? {} : { group: accountName('group', group) }),
    };
  },
};

/**
 * A persistent device of /dev/net/tun, without packet information. Whoever may open it, and with how many queues, is
 * said once, when it is made.
 */
const kindOf = (mode: 'tap' | 'tun') =>
  defineDeviceKind(mode, {
    infoKind: 'tun',
    isOne: ({ type }) => type === mode,
    changes: {},
    words: () => [],
    read: ({ user = '', group = '', multi_queue: isMulti }) => ({
      user: String(user),
      group: String(group),
      'multi-queue': isMulti === true,
    }),
    same: (attribute, wanted, live) => {
      if (wanted === live || (attribute !== 'user' && attribute !== 'group')) return wanted === live;
      return isSameAccount(attribute, String(wanted), String(live));
    },
    codec,
    create: (resource, settings) => {
      const { namespace, label } = resource;
      return [
        { tool: 'ip', namespace, args: ['tuntap', 'add', 'dev', label, 'mode', mode, ...words(resource)] },
        { tool: 'ip', namespace, args: ['link', 'set', 'dev', label, ...settings] },
      ];
    },
    needs: { module: 'tun', words: [], instead: ['tuntap', 'add', 'dev', 'probe0', 'mode', mode] },
  });

export const tapKind = kindOf('tap');
export const tunKind = kindOf('tun');

function words({ attributes }: Resource): string[] {
  const { user, group } = attributes;
  return [
    ...(user === '' ? [] : ['user', String(user)]),
    ...(group === '' ? [] : ['group', String(group)]),
    ...(attributes['multi-queue'] === true ? ['multi_queue'] : []),
  ];
}

function isSameAccount(kind: AccountKind, wanted: string, live: string): boolean {
  const id = wanted === '' ? undefined : accountId(kind, wanted);
  return id !== undefined && live !== '' && id === accountId(kind, live);
}
