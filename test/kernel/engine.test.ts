import { afterAll, expect, test } from 'vitest';
import { chooseEngine } from '../../src/engine/choose.ts';
import { resetProcesses } from '../../src/system/run.ts';
import { dump, expectCode, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());

const file = folder.write(
  'engines.yaml',
  `name: engines
namespaces:
  a: { forwarding: true, sysctls: { net.ipv4.conf.all.rp_filter: 2 } }
  b: { forwarding: true, routes: { default: 10.0.0.1, 10.7.0.0/16: { via: 10.0.0.1, metric: 7 } }, nat: { masquerade: [{ out: eth0 }] } }
bridges:
  br0: { namespace: a, addresses: [10.3.0.1/24, "fd00::1/64"], ports: { b:eth1: 10.3.0.2/24 } }
links:
  - endpoints: { a:eth0: 10.0.0.1/24, b:eth0: 10.0.0.2/24 }
tunnels:
  vx: { type: vxlan, id: 5, endpoints: { a: { local: 10.0.0.1, addresses: 10.4.0.1/24 }, b: { local: 10.0.0.2, addresses: 10.4.0.2/24 } } }
`,
);

test('what one engine makes, the other finds as it should be, and removes', async () => {
  const before = dump();
  for (const [maker, other] of [
    ['netlink', 'ip'],
    ['ip', 'netlink'],
  ] as const) {
    await expectCode(0, 'apply', '--engine', maker, file);
    await expectCode(0, 'plan', '--detailed-exitcode', '--engine', other, file);
    const [inspected, again] = [
      await expectCode(0, 'inspect', '--engine', maker, '--json', 'engines'),
      await expectCode(0, 'inspect', '--engine', other, '--json', 'engines'),
    ];
    expect(again.stdout).toBe(inspected.stdout);
    expect(inspected.stdout).toContain('"peer"');
    await expectCode(0, 'destroy', '--engine', other, 'engines');
    expect(dump()).toBe(before);
  }
});

test('plans, and the commands that they print, are the same with both', async () => {
  for (const options of [[], ['--json'], ['--commands']]) {
    const [one, other] = [
      await expectCode(0, 'plan', '--engine', 'netlink', ...options, file),
      await expectCode(0, 'plan', '--engine', 'ip', ...options, file),
    ];
    expect(other.stdout).toBe(one.stdout);
  }
  const { stdout } = await expectCode(0, 'plan', '--engine', 'netlink', '--commands', file);
  expect(stdout).toContain('ip netns add a\n');
});

test('netlink starts no program but nft for the one table; ip starts one for each namespace', async () => {
  const started = ({ stderr }: { stderr: string }) => Number(/processes started: (\d+)/.exec(stderr)?.[1]);
  const sent = ({ stderr }: { stderr: string }) => Number(/messages sent: (\d+)/.exec(stderr)?.[1]);
  await expectCode(0, 'apply', '--engine', 'netlink', file);
  const plan = await expectCode(0, 'plan', '--engine', 'netlink', file);
  expect(started(plan)).toBe(1);
  expect(sent(plan)).toBeGreaterThan(10);
  expect(started(await expectCode(0, 'plan', '--engine', 'ip', file))).toBeGreaterThan(3);
  await expectCode(0, 'destroy', 'engines');
});

test('an engine that there is not is refused; auto takes netlink here', async () => {
  resetProcesses();
  const { code, stderr } = await topoweave('plan', '--engine', 'magic', file);
  expect(code).toBe(64);
  expect(stderr).toContain('auto, netlink, ip');
  expect(() => chooseEngine('magic')).toThrow("there is no engine 'magic'");
  const { engine, obstacle } = chooseEngine('auto');
  expect([engine.name, obstacle]).toEqual(['netlink', undefined]);
});

test('a step that fails is told with its line of the file, and as JSON', async () => {
  const failing = folder.write(
    'failing.yaml',
    'name: failing\nnamespaces:\n  a:\n    sysctls:\n      net.ipv4.nosuch: 1\n',
  );
  for (const engine of ['netlink', 'ip']) {
    const { stderr } = await expectCode(1, 'apply', '--engine', engine, failing);
    expect(stderr).toMatch(/cannot write 1 to \/proc\/sys\/net\/ipv4\/nosuch.*# failing\.yaml:5\n/s);
    expect(stderr).toContain('sysctl -q -w net/ipv4/nosuch=1');
    const { stdout } = await expectCode(1, 'apply', '--json', '--engine', engine, failing);
    const [failure] = (JSON.parse(stdout) as { error: { failures: Record<string, string>[] } }).error
      .failures;
    expect(failure).toMatchObject({ resource: 'a/sysctl/net.ipv4.nosuch', at: 'failing.yaml:5' });
    await expectCode(0, 'destroy', 'failing');
  }
});
