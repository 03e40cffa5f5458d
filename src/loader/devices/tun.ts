import type { TapDevice, TunDevice } from '../../generated/topology-file.ts';
import type { DeviceSetting } from '../../topology/model.ts';
import type { DevicePlace, DeviceRules } from './rules.ts';

export const tap: DeviceRules<'tap'> = { mac: 'derived', mtu: 'standard', settings, long };

export const tun: DeviceRules<'tun'> = { mac: 'none', mtu: 'standard', settings, long };

/** Everybody who is nobody in particular is the empty text. */
function settings(raw: TapDevice | TunDevice, place: DevicePlace): Record<string, DeviceSetting> {
  return {
    user: account(raw.user, 'user', place),
    group: account(raw.group, 'group', place),
    'multi-queue': raw['multi-queue'] ?? false,
  };
}

/** A name that useradd takes (IEEE 1003.1, 3.437, and a `$` at the end), or a number. */
function account(raw: string | number | undefined, key: string, { context, base }: DevicePlace): string {
  const text = String(raw ?? '');
  if (raw !== undefined && !/^[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?$/.test(text)) {
    context.report({
      code: 'device',
      message: `'${text}' is not the name of a ${key}`,
      place: { pointer: `${base}/${key}`, part: 'value' },
    });
    return '';
  }
  return text;
}

function long(settings: Readonly<Record<string, DeviceSetting>>): object {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== ''));
}
