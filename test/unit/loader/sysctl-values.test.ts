import { expect, test } from 'vitest';
import { sysctlValueProblem } from '../../../src/loader/normalize/sysctl-values.ts';

const right: readonly (readonly [string, ...string[]])[] = [
  ['net.ipv4.ip_default_ttl', '1', '255', '0x40', '0100'],
  ['net.ipv4.ip_local_port_range', '1024 65535', '9 9'],
  ['net.ipv4.ping_group_range', '1 0', '0 4294967294'],
  ['net.ipv4.tcp_rmem', '4096 131072 6291456', '1 1 1', '9 8 7'],
  ['net.ipv4.tcp_syn_retries', '1', '127'],
  ['net.ipv4.tcp_adv_win_scale', '-31', '31'],
  ['net.ipv4.tcp_min_snd_mss', '48', '65535'],
  ['net.core.somaxconn', '0', '2147483647'],
  ['net.ipv6.conf.eth0/5.hop_limit', '1', '255'],
  ['net.ipv4.conf.all.rp_filter', '2', '-1'],
  ['net.ipv4.of_some_other_kernel', 'any thing'],
  ['net.ipv4.tcp_congestion_control', 'cubic'],
];
const wrong: readonly (readonly [string, ...string[]])[] = [
  ['net.ipv4.ip_default_ttl', '0', '256', '1 2', 'x', '-1', '0400', '08', ''],
  ['net.ipv4.ip_local_port_range', '1024', '9000 8000', '0 9', '1 65536', '1024-65535', '1 2 3'],
  ['net.ipv4.ping_group_range', '5', '-1 0', '0 4294967295'],
  ['net.ipv4.tcp_rmem', '4096', '0 1 1', '4k 8k 16k', '1 1 2147483648'],
  ['net.ipv4.tcp_syn_retries', '0', '128'],
  ['net.ipv4.tcp_adv_win_scale', '-32', '32'],
  ['net.ipv4.fib_multipath_hash_policy', '4'],
  ['net.ipv4.tcp_l3mdev_accept', '2'],
  ['net.core.somaxconn', '-1', '2147483648'],
  ['net.ipv6.conf.all.hop_limit', '0', '256'],
  ['net.ipv6.conf.eth0/5.addr_gen_mode', '4'],
  ['net.ipv4.conf.all.rp_filter', '25ms', '4294967296'],
];

test.each(right)('%s takes %s and the like', (name, ...values) => {
  for (const value of values) expect([value, sysctlValueProblem(name, value)]).toEqual([value, undefined]);
});

test.each(wrong)('%s does not take %s and the like', (name, ...values) => {
  for (const value of values) {
    const problem = sysctlValueProblem(name, value);
    expect([value, problem?.message]).toEqual([value, expect.stringContaining(name)]);
    expect(problem?.help).not.toBe('');
  }
});
