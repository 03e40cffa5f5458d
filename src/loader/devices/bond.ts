import type { BondDevice } from '../../generated/topology-file.ts';
import { parseIp } from '../../lib/ip.ts';
import { primaryModes, takesMacOfMember } from '../../topology/bond.ts';
import type { DeviceSetting } from '../../topology/model.ts';
import type { DevicePlace, DeviceRules } from './rules.ts';

type Parameters = NonNullable<BondDevice['parameters']>;
type Mode = NonNullable<Parameters['mode']>;

const arpModes: readonly Mode[] = ['balance-rr', 'active-backup', 'balance-xor', 'broadcast'];

/** Parameters that the kernel takes in some modes only (unsuppmodes in drivers/net/bonding/bond_options.c). */
const modesOf: { readonly [Name in keyof Parameters]: readonly Mode[] } = {
  'lacp-rate': ['802.3ad'],
  'arp-interval': arpModes,
  'arp-ip-targets': arpModes,
  'arp-validate': arpModes,
  'packets-per-member': ['balance-rr'],
  primary: primaryModes,
};

/** The kernel's defaults (drivers/net/bonding/bond_main.c), but for the monitoring, which is off there. */
const defaults = {
  'mii-monitor-interval': 100,
  'up-delay': 0,
  'down-delay': 0,
  'min-links': 0,
  'lacp-rate': 'slow',
  'ad-select': 'stable',
  'transmit-hash-policy': 'layer2',
  'all-members-active': false,
  'primary-reselect-policy': 'always',
  'fail-over-mac': 'none',
  'arp-interval': 0,
  'arp-ip-targets': [],
  'arp-validate': 'none',
  'arp-all-targets': 'any',
  'gratuitous-arp': 1,
  'resend-igmp': 1,
  'packets-per-member': 1,
  'learn-packet-interval': 1,
} as const satisfies Parameters;

export const bond: DeviceRules<'bond'> = {
  mac: (settings) => (takesMacOfMember(settings) ? 'member' : 'derived'),
  mtu: 'standard',
  settings: ({ parameters = {} }, place) => {
    checkParameters(parameters, place);
    const { mode = 'balance-rr' } = parameters;
    const settings: Record<string, DeviceSetting> = { mode };
    for (const [name, value] of Object.entries({ ...defaults, ...monitoring(parameters), ...parameters })) {
      // What has no meaning in this mode is not there at all, so that nothing is compared.
      const modes = modesOf[name as keyof Parameters];
      if (modes === undefined || modes.includes(mode)) settings[name] = value;
    }
    if (settings['arp-ip-targets'] !== undefined) settings['arp-ip-targets'] = targets(parameters, place);
    return settings;
  },
  long: (settings) => ({ parameters: settings }),
};

function monitoring(parameters: Parameters): Parameters {
  return (parameters['arp-interval'] ?? 0) > 0 ? { 'mii-monitor-interval': 0 } : {};
}

function targets(parameters: Parameters, { context, base }: DevicePlace): string[] {
  const found = (parameters['arp-ip-targets'] ?? []).flatMap((text, index) => {
    const ip = parseIp(text);
    if (ip?.family === 4) return ip.address;
    context.report({
      code: 'bond',
      message: `'${text}' is not an IPv4 address`,
      place: { pointer: `${base}/parameters/arp-ip-targets/${index}`, part: 'value' },
    });
    return [];
  });
  return [...new Set(found)];
}

function checkParameters(parameters: Parameters, { context, base }: DevicePlace): void {
  const fail = (key: keyof Parameters, message: string, help?: string) =>
    context.report({
      code: 'bond',
      message,
      place: { pointer: `${base}/parameters/${key}`, part: 'key' },
      ...(help === undefined ? {} : { help }),
    });
  const { mode = 'balance-rr' } = parameters;
  for (const [key, modes] of Object.entries(modesOf) as [keyof Parameters, readonly Mode[]][]) {
    if (parameters[key] === undefined || modes.includes(mode)) continue;
    fail(key, `${key} has no meaning in mode ${mode}`, `leave it out, or use mode ${modes.join(', ')}`);
  }
  checkMonitoring(parameters, mode, fail);
  if (
    parameters['fail-over-mac'] !== undefined &&
    parameters['fail-over-mac'] !== 'none' &&
    mode !== 'active-backup'
  )
    fail(
      'fail-over-mac',
      `fail-over-mac has no meaning in mode ${mode}`,
      'leave it out, or use mode active-backup',
    );
}

/** The two ways of looking at members exclude each other (bond_changelink in drivers/net/bonding/bond_netlink.c). */
function checkMonitoring(
  parameters: Parameters,
  mode: Mode,
  fail: (key: keyof Parameters, message: string, help?: string) => void,
): void {
  const arp = arpModes.includes(mode) ? (parameters['arp-interval'] ?? 0) : 0;
  const mii = parameters['mii-monitor-interval'] ?? (arp > 0 ? 0 : defaults['mii-monitor-interval']);
  const goals = parameters['arp-ip-targets'] ?? [];
  if (arp > 0 && mii > 0)
    fail('arp-interval', 'arp-interval and mii-monitor-interval exclude each other', 'leave one of them out');
  if (arpModes.includes(mode)) {
    if (arp > 0 && goals.length === 0)
      fail('arp-interval', 'arp-interval needs an address to ask for', 'add arp-ip-targets');
    if (arp === 0 && goals.length > 0)
      fail('arp-ip-targets', 'arp-ip-targets are asked for only with arp-interval', 'add arp-interval: 1000');
    if (arp === 0 && (parameters['arp-validate'] ?? 'none') !== 'none')
      fail('arp-validate', 'arp-validate has a meaning only with arp-interval', 'add arp-interval: 1000');
  } else if (mii === 0) {
    fail('mii-monitor-interval', `mode ${mode} needs mii-monitor-interval`, 'leave it out: then it is 100');
  }
  for (const key of ['up-delay', 'down-delay'] as const) {
    const delay = parameters[key] ?? 0;
    if (delay === 0) continue;
    if (mii === 0) fail(key, `${key} needs mii-monitor-interval`);
    else if (delay % mii !== 0) {
      const near = Math.max(1, Math.round(delay / mii)) * mii;
      fail(key, `${key} ${delay} is not a multiple of mii-monitor-interval, ${mii}`, `use ${near}`);
    }
  }
}
