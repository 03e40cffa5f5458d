import { readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BatchResult } from '../../src/engine/engine.ts';
import { netlinkEngine } from '../../src/engine/netlink/engine.ts';
import { addNamespace, removeNamespace, visit } from '../../src/engine/netlink/namespace.ts';
import { NetlinkSocket } from '../../src/engine/netlink/socket.ts';
import type { Command } from '../../src/kinds/resource.ts';
import type { Step } from '../../src/plan/step.ts';
import * as run from '../../src/system/run.ts';
import { resetProcesses } from '../../src/system/run.ts';
import { ip, namespaces, sh } from '../support/host.ts';

const nothing = { lab: undefined, nat: new Set<string>(), sysctls: new Map<string, string[]>() };

/** What the thread's namespace is: its inode. */
function here(): string {
  return readlinkSync('/proc/thread-self/ns/net');
}

/** One batch of lines, each a step of its own. */
async function perform(namespace: string, ...commands: Command[]): Promise<BatchResult> {
  const batch = {
    layer: 0,
    tool: 'ip' as const,
    namespace,
    commands: commands.map((command, index) => ({ command, step: { id: `step ${index}` } as Step })),
  };
  const [result] = await netlinkEngine.perform([batch], { onDone: () => {} });
  if (result === undefined) throw new Error('no result');
  return result;
}

function line(namespace: string, text: string): Command {
  return { tool: 'ip', namespace, args: text.split(' ') };
}

let home = '';
beforeEach(() => {
  home = here();
  sh('ip', 'netns', 'add', 'nl');
});
afterEach(() => {
  for (const name of namespaces()) sh('ip', 'netns', 'del', name);
  expect(here()).toBe(home);
});

describe('the thread is back in its own namespace', () => {
  test('after a visit, and inside it is elsewhere', () => {
    expect(visit('nl', here)).not.toBe(home);
    expect(here()).toBe(home);
  });

  test('after a namespace that is not there', async () => {
    expect(() => visit('nobody', here)).toThrow(/ENOENT/);
    expect(here()).toBe(home);
    expect((await netlinkEngine.read(['host', 'nobody', 'nl'], nothing)).has('nobody')).toBe(false);
    expect(here()).toBe(home);
    const { outcome, failure } = await perform('nobody', line('nobody', 'link set dev lo up'));
    expect(outcome).toBe('failed');
    expect(failure?.message).toContain('nobody');
  });

  test('after a file that is no namespace, and a symbolic link to one', () => {
    writeFileSync('/run/netns/file', '');
    expect(() => visit('file', here)).toThrow(/is no network namespace/);
    rmSync('/run/netns/file');
    sh('ln', '-s', '/run/netns/nl', '/run/netns/link');
    expect(visit('link', here)).toBe(visit('nl', here));
    rmSync('/run/netns/link');
  });

  test('after a message that the kernel refuses', async () => {
    const { outcome, failure } = await perform(
      'nl',
      line('nl', 'link set dev lo up'),
      line('nl', 'link set dev nosuch up'),
    );
    expect(outcome).toBe('failed');
    expect(failure?.step.id).toBe('step 1');
    expect(failure?.message).toBe('No such device');
    expect(here()).toBe(home);
    expect(ip('nl', 'link', 'show', 'lo')).toContain('UP');
  });

  test('after an exception in a decoder', async () => {
    const failing = () =>
      visit('nl', () => {
        const socket = new NetlinkSocket();
        try {
          socket.dump(
            18,
            Buffer.alloc(16),
            () => {
              throw new RangeError('a decoder failed');
            },
            () => {},
          );
        } finally {
          socket.close();
        }
      });
    expect(failing).toThrow('a decoder failed');
    expect(here()).toBe(home);
    // Nothing of that answer disturbs the next one.
    expect((await netlinkEngine.read(['nl'], nothing)).get('nl')?.links[0]?.ifname).toBe('lo');
  });

  test('after a name that is taken, with nothing left behind', () => {
    expect(() => addNamespace('nl')).toThrow(/EEXIST/);
    expect(here()).toBe(home);
    addNamespace('other');
    expect(here()).toBe(home);
    expect(sh('ip', 'netns', 'list')).toContain('other');
    expect(JSON.parse(ip('other', '-j', 'link'))).toHaveLength(1);
    removeNamespace('other');
    expect(namespaces()).toEqual(['nl']);
  });

  test('after a script that nft refuses', async () => {
    const { failure } = await perform('nl', {
      tool: 'nft',
      namespace: 'nl',
      script: 'add rule inet nosuch c accept\n',
    });
    expect(failure?.message).toMatch(/nftables: .*No such file or directory/);
    expect(here()).toBe(home);
  });

  test('after a parameter that cannot be written', async () => {
    const { failure, sysctlsBefore } = await perform(
      'nl',
      { tool: 'sysctl', namespace: 'nl', name: 'net.ipv4.ip_forward', value: '1' },
      { tool: 'sysctl', namespace: 'nl', name: 'net.ipv4.nosuch', value: '1' },
    );
    expect(failure?.message).toBe('cannot write 1 to /proc/sys/net/ipv4/nosuch: ENOENT');
    expect(sysctlsBefore?.get('net.ipv4.ip_forward')).toMatch(/^[01]$/);
    expect(sh('ip', 'netns', 'exec', 'nl', 'cat', '/proc/sys/net/ipv4/ip_forward').trim()).toBe('1');
  });
});

describe('what the kernel refuses', () => {
  test("is told in its own words, with the attribute's name", async () => {
    const { failure } = await perform(
      'nl',
      line('nl', 'link add name v0 type veth peer name v1'),
      line('nl', 'link set dev v0 mtu 70000'),
    );
    expect(failure?.message).toBe('mtu greater than device maximum');
    const second = await perform('nl', line('nl', 'route add 10.0.0.0/8 via 10.9.9.9 proto 116'));
    expect(second.failure?.message).toBe('Nexthop has invalid gateway');
    const third = await perform('nl', line('nl', 'link add name vx0 type vxlan id 99999999 dstport 4789'));
    expect(third.failure?.message).toMatch(/\(IFLA_LINKINFO\/IFLA_INFO_DATA\/1\)$/);
  });

  test('is the step that sent it, among hundreds', async () => {
    const lines = Array.from({ length: 200 }, (_, index) =>
      line('nl', `address add 10.0.${index}.1/24 dev lo`),
    );
    lines[150] = line('nl', 'address add 10.0.3.1/24 dev lo');
    const { failure } = await perform('nl', ...lines);
    expect(failure?.step.id).toBe('step 150');
    expect(failure?.message).toMatch(/already assigned|File exists/);
  });

  test('a device that an earlier line made is found, one that none made is named', async () => {
    const made = await perform(
      'nl',
      line('nl', 'link add name br0 type bridge'),
      line('nl', 'link add name v0 type veth peer name v1'),
      line('nl', 'link set dev v0 master br0 up'),
      line('nl', 'address add 10.0.0.1/24 dev br0'),
      line('nl', 'link del dev v0'),
    );
    expect(made.outcome).toBe('done');
    const { failure } = await perform('nl', line('nl', 'address add 10.0.0.1/24 dev nosuch'));
    expect(failure?.message).toBe('Cannot find device "nosuch"');
  });
});

describe('a batch stops where `ip -batch` would', () => {
  test("a link that could not be made does not leave its settings to a stranger's of that name", async () => {
    ip('nl', 'link', 'add', 'br0', 'type', 'bridge');
    const { failure } = await perform(
      'nl',
      line('nl', 'link add name br0 type bridge'),
      line('nl', 'link set dev br0 alias topoweave:lab: up'),
    );
    expect(failure?.step.id).toBe('step 0');
    const [bridge] = JSON.parse(ip('nl', '-j', '-d', 'link', 'show', 'br0')) as Record<string, unknown>[];
    expect(bridge?.['ifalias']).toBeUndefined();
    expect(bridge?.['flags']).not.toContain('UP');
  });

  test('what comes before a line that cannot be sent is done', async () => {
    const { failure } = await perform(
      'nl',
      line('nl', 'link set dev lo alias marked'),
      line('nl', 'address add 10.9.0.1/24 dev lo'),
      line('nl', 'address add 10.9.1.1/24 dev gone0'),
    );
    expect(failure?.step.id).toBe('step 2');
    expect(ip('nl', '-d', 'link', 'show', 'lo')).toContain('marked');
    expect(ip('nl', 'address', 'show', 'lo')).toContain('10.9.0.1/24');
  });

  test('a refusal counts, also when the rest is for a program', async () => {
    ip('nl', 'address', 'add', '10.0.0.1/24', 'dev', 'lo');
    const { outcome, failure } = await perform(
      'nl',
      line('nl', 'address add 10.0.0.1/24 dev lo'),
      line('nl', 'neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev lo'),
    );
    expect([outcome, failure?.step.id]).toEqual(['failed', 'step 0']);
  });

  test('of two settings of one link, the one that is refused is blamed, and the other is done', async () => {
    ip('nl', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
    const { failure } = await perform(
      'nl',
      line('nl', 'link set dev v0 alias mine'),
      line('nl', 'link set dev v0 mtu 5'),
    );
    expect([failure?.step.id, failure?.message]).toEqual(['step 1', 'mtu less than device minimum']);
    expect(ip('nl', '-d', 'link', 'show', 'v0')).toContain('mine');
  });
});

test('a group behind other settings, and behind a link that is still to be made', async () => {
  const { outcome } = await perform(
    'nl',
    line('nl', 'link add name br0 type bridge'),
    line('nl', 'link add name v0 type veth peer name v1'),
    line('nl', 'link set dev lo alias mine'),
    line('nl', 'link set dev lo group 7'),
    line('nl', 'link set dev v0 alias mine'),
    line('nl', 'link set dev v0 group 7'),
    line('nl', 'link set dev v0 up'),
  );
  expect(outcome).toBe('done');
  const links = JSON.parse(ip('nl', '-j', 'link')) as { ifname: string; group: string }[];
  const ofGroup = links.filter(({ group }) => group === '7').map(({ ifname }) => ifname);
  expect(ofGroup.sort()).toEqual(['lo', 'v0']);
});

test('the host is found as a peer from inside of a namespace', async () => {
  sh('ip', 'link', 'add', 'h0', 'type', 'veth', 'peer', 'name', 'p0', 'netns', 'nl');
  const live = await netlinkEngine.read(['host', 'nl'], { ...nothing, withPeers: true });
  expect([...(live.get('nl')?.namespaceIds.values() ?? [])]).toEqual(['host']);
  expect([...(live.get('host')?.namespaceIds.values() ?? [])]).toEqual(['nl']);
  sh('ip', 'link', 'del', 'h0');
});

describe('what this engine does not know is left to the programs', () => {
  test('a line without an encoder, within its batch', async () => {
    resetProcesses();
    const { outcome } = await perform(
      'nl',
      line('nl', 'link add name v0 type veth peer name v1'),
      line('nl', 'neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v0'),
      line('nl', 'link set dev v0 up'),
    );
    expect(outcome).toBe('done');
    expect(run.processesStarted).toBeGreaterThan(0);
    expect(ip('nl', 'neigh')).toContain('02:00:00:00:00:09');
    expect(ip('nl', 'link', 'show', 'v0')).toContain('UP');
  });
});
