import { release } from 'node:os';
import { execa } from 'execa';
import { afterAll, describe, expect, test } from 'vitest';

const sh = (script: string) => execa('sh', ['-euc', script], { all: true });

describe('the guest tier', () => {
  const a = `tw-a-${process.pid}`;
  const b = `tw-b-${process.pid}`;
  afterAll(() => sh(`ip netns del ${a} || true; ip netns del ${b} || true`));

  test('the kernel makes the links this tier is for', async () => {
    process.stdout.write(`kernel ${release()}\n`);
    for (const kind of ['gre', 'gretap', 'ip6gre', 'ip6gretap']) {
      const [local, remote] = kind.startsWith('ip6')
        ? ['2001:db8::1', '2001:db8::2']
        : ['192.0.2.1', '192.0.2.2'];
      await sh(`unshare --net ip link add tw0 type ${kind} local ${local} remote ${remote}`);
    }
  });

  test('a GRE tunnel between two namespaces passes packets', async () => {
    await sh(`
      ip netns add ${a}; ip netns add ${b}
      ip -n ${a} link add ul type veth peer name ul netns ${b}
      ip -n ${a} addr add 192.0.2.1/30 dev ul; ip -n ${b} addr add 192.0.2.2/30 dev ul
      ip -n ${a} link set ul up; ip -n ${b} link set ul up
      ip -n ${a} link add tun type gre local 192.0.2.1 remote 192.0.2.2 ttl 64
      ip -n ${b} link add tun type gre local 192.0.2.2 remote 192.0.2.1 ttl 64
      ip -n ${a} addr add 10.9.0.1/30 dev tun; ip -n ${b} addr add 10.9.0.2/30 dev tun
      ip -n ${a} link set tun up; ip -n ${b} link set tun up
    `);
    const { stdout } = await sh(`ip netns exec ${a} ping -c 1 -W 10 10.9.0.2`);
    expect(stdout).toMatch(/1 (packets )?received/);
  });
});
