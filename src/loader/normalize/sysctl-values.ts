import { type SysctlRange, sysctlRange } from './sysctl-ranges.ts';

/** Of these families, the kernel reads all with proc_dointvec or one like it: nothing but a C int, in any C notation. */
const integerFamilies = /^net\.(?:ipv[46]\.(?:conf|neigh)\.[^.]+|ipv4|ipv6|core|netfilter)\.([a-z0-9_]+)$/;

/** Also known to be one, outside of the families below an interface's name. */
const integers = new Set(
  'ip_forward ip_default_ttl ip_nonlocal_bind ip_forward_use_pmtu ip_no_pmtu_disc tcp_syncookies tcp_timestamps tcp_sack tcp_window_scaling tcp_ecn tcp_fin_timeout tcp_keepalive_time tcp_keepalive_intvl tcp_keepalive_probes tcp_mtu_probing tcp_l3mdev_accept udp_l3mdev_accept raw_l3mdev_accept fib_multipath_use_neigh fib_multipath_hash_policy icmp_echo_ignore_all icmp_echo_ignore_broadcasts igmp_max_memberships somaxconn bindv6only'.split(
    ' ',
  ),
);

interface Problem {
  readonly message: string;
  readonly help: string;
}

/** What the kernel would refuse of a value; undefined: nothing that is known. */
export function sysctlValueProblem(name: string, value: string): Problem | undefined {
  const range = sysctlRange(name);
  if (range !== undefined) return rangeProblem(name, value, range);
  const [, last = ''] = integerFamilies.exec(name) ?? [];
  if (last === '' || last === 'stable_secret') return undefined;
  const isBelowDevice = /^net\.ipv[46]\.(?:conf|neigh)\./.test(name);
  if (!isBelowDevice && !integers.has(last)) return undefined;
  const number = readInteger(value);
  if (number === undefined) return noInteger(name, value);
  if (number >= -(2 ** 31) && number < 2 ** 31) return undefined;
  // Some are unsigned (ucast_solicit and the like are not): a C unsigned int is the most that any of them takes.
  if (isBelowDevice && number >= 0 && number < 2 ** 32) return undefined;
  return {
    message: `${value} does not fit ${name}, which is a 32-bit integer`,
    help: 'write a smaller number',
  };
}

function rangeProblem(
  name: string,
  value: string,
  { least, most, count = 1, isRange = false }: SysctlRange,
): Problem | undefined {
  const words = value.split(' ');
  if (count > 1 && words.length !== count)
    return {
      message: `${name} takes ${count} integers, not '${value}'`,
      help: 'write them all, in one text',
    };
  const numbers: number[] = [];
  for (const word of count === 1 ? [value] : words) {
    const number = readInteger(word);
    if (number === undefined) return noInteger(name, word);
    if (number < least || number > most)
      return { message: `${word} does not fit ${name}`, help: `it takes ${least} to ${most}` };
    numbers.push(number);
  }
  const [first = 0, second = 0] = numbers;
  if (!isRange || second >= first) return undefined;
  return {
    message: `${value} does not fit ${name}: the range ends before it begins`,
    help: `write ${second} ${first}`,
  };
}

/** In any C notation: a leading zero is octal (strtoul_lenient in kernel/sysctl.c). */
function readInteger(text: string): number | undefined {
  const [, sign = '', digits] = /^(-?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const number = Number(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  return sign === '-' ? -number : number;
}

function noInteger(name: string, value: string): Problem {
  return {
    message: `${name} takes an integer, not '${value}'`,
    help: 'write the number alone, without a unit',
  };
}
