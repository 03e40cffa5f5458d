import type { DeviceSetting } from './model.ts';

/** Modes in which the members have a preference among them. */
export const primaryModes = ['active-backup', 'balance-tlb', 'balance-alb'] as const;

type Settings = Readonly<Record<string, DeviceSetting>>;

export function hasPrimary({ mode }: Settings): boolean {
  return primaryModes.some((name) => name === mode);
}

/** Otherwise it has a MAC address of its own, which it gives to its members. */
export function takesMacOfMember(settings: Settings): boolean {
  return settings['mode'] === 'active-backup' && settings['fail-over-mac'] === 'active';
}
