import { afterAll, afterEach, describe, expect, test } from 'vitest';
import {
  engineName,
  expectCode,
  ifindex,
  ip,
  kernelHas,
  namespaces,
  sh,
  topoweave,
  workFolder,
} from '../support/host.ts';

const folder = workFolder();
afterAll(() => folder.remove());
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});

function lab(settings: string): string {
  return folder.write(
    'shaped.yaml',
    `name: shaped\nnamespaces: [a, b]\nlinks:\n  - endpoints: { a:eth0: { addresses: 10.0.0.1/24, ${settings} }, b:eth0: 10.0.0.2/24 }\n`,
  );
}

function root(dev: string): unknown {
  return (JSON.parse(sh('tc', '-n', 'a', '-j', 'qdisc', 'show', 'dev', dev)) as unknown[])[0];
}

describe('a rate, by tbf', () => {
  test('changes in place, comes and goes, and is repaired', async () => {
    await expectCode(0, 'apply', lab(''));
    const index = ifindex('a', 'eth0');
    for (const settings of [
      'rate: 10mbit',
      'rate: 20mbit',
      'rate: 20mbit, burst: 64kb',
      'rate: 20mbit, limit: 500',
      '',
    ]) {
      const file = lab(settings);
      await expectCode(2, 'plan', '--detailed-exitcode', file);
      await expectCode(0, 'apply', file);
      await expectCode(0, 'plan', '--detailed-exitcode', file);
      expect(ifindex('a', 'eth0')).toBe(index);
    }
    const file = lab('rate: 10mbit');
    await expectCode(0, 'apply', file);
    sh('tc', '-n', 'a', 'qdisc', 'del', 'dev', 'eth0', 'root');
    expect((await expectCode(2, 'plan', '--detailed-exitcode', file)).stdout).toContain(
      '+ impairment of eth0',
    );
    await expectCode(0, 'apply', file);
    sh('tc', '-n', 'a', 'qdisc', 'replace', 'dev', 'eth0', 'root', 'handle', '1:', 'htb', 'default', '1');
    expect((await expectCode(2, 'plan', '--detailed-exitcode', file)).stdout).toContain(
      'discipline: htb -> tbf',
    );
    await expectCode(0, 'apply', file);
    expect(root('eth0')).toMatchObject({ kind: 'tbf', handle: '7478:', options: { rate: 1_250_000 } });
  });

  test('of what is received, by way of ifb', async () => {
    const file = lab('rate: 10mbit, ingress: { rate: 5mbit }');
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    expect(root('ifb-eth0')).toMatchObject({ kind: 'tbf', options: { rate: 625_000 } });
    sh('ip', 'netns', 'exec', 'b', 'ping', '-c1', '-W2', '10.0.0.1');
    const sent = JSON.parse(ip('a', '-j', '-s', 'link', 'show', 'dev', 'ifb-eth0')) as [
      { stats64: { tx: { packets: number } } },
    ];
    expect(sent[0].stats64.tx.packets).toBeGreaterThan(0);
    const index = ifindex('a', 'ifb-eth0');
    await expectCode(0, 'apply', lab('rate: 10mbit, ingress: { rate: 6mbit }'));
    expect(ifindex('a', 'ifb-eth0')).toBe(index);
    for (const damage of [
      () => ip('a', 'link', 'del', 'dev', 'ifb-eth0'),
      () => sh('tc', '-n', 'a', 'qdisc', 'del', 'dev', 'eth0', 'ingress'),
      () => sh('tc', '-n', 'a', 'filter', 'del', 'dev', 'eth0', 'ingress'),
      () => {
        sh('tc', '-n', 'a', 'qdisc', 'del', 'dev', 'eth0', 'ingress');
        sh('tc', '-n', 'a', 'qdisc', 'add', 'dev', 'eth0', 'clsact');
      },
      () => ip('a', 'link', 'del', 'dev', 'eth0'),
    ]) {
      damage();
      await expectCode(2, 'plan', '--detailed-exitcode', file);
      await expectCode(0, 'apply', file);
      await expectCode(0, 'plan', '--detailed-exitcode', file);
    }
    await expectCode(0, 'apply', lab(''));
    expect(ip('a', 'link')).not.toContain('ifb');
    expect(sh('tc', '-n', 'a', 'qdisc', 'show', 'dev', 'eth0')).not.toContain('ingress');
  });

  test('takes no program to be read or changed by netlink, and one for its namespace by ip', async () => {
    const count = ({ stderr }: { stderr: string }) => Number(/processes started: (\d+)/.exec(stderr)?.[1]);
    const shaped = (rate: string) => lab(`rate: ${rate}, ingress: { rate: ${rate} }`);
    await expectCode(0, 'apply', lab(''));
    const plain = count(await expectCode(0, 'plan', lab('')));
    await expectCode(0, 'apply', shaped('10mbit'));
    const plan = count(await expectCode(0, 'plan', shaped('10mbit')));
    const apply = count(await expectCode(0, 'apply', shaped('20mbit')));
    if (engineName === 'netlink') expect([plain, plan, apply]).toEqual([0, 0, 0]);
    // The program itself, and at times one more shell that starts it.
    else expect(plan).toBeLessThanOrEqual(plain + 2);
  });
});

describe('topoweave impair', () => {
  test('is an experiment: status shows it, the next apply undoes it', async () => {
    const file = lab('rate: 10mbit');
    await expectCode(0, 'apply', file);
    await expectCode(0, 'impair', 'a:eth0--b:eth0', 'rate=3mbit', 'burst=10kb');
    expect((await expectCode(0, 'impair')).stdout).toMatch(/b:eth0 +rate 3mbit, burst 10kb/);
    const { stdout } = await expectCode(2, 'status', '--detailed-exitcode', file);
    expect(stdout).toMatch(/~ impairment of eth0[^\n]*\n\s+rate: 3mbit -> 10mbit/);
    expect(stdout).toContain('- impairment of eth0');
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    await expectCode(0, 'impair', '1', '--clear');
    expect(root('eth0')).toMatchObject({ kind: 'noqueue' });
    await expectCode(0, 'impair', 'b:eth0', 'rate=1mbit', '--both', '--dry-run');
    expect(root('eth0')).toMatchObject({ kind: 'noqueue' });
    await expectCode(0, 'impair', 'b:eth0', 'rate=1mbit', '--both', '--lab', 'shaped', '--json');
    expect(root('eth0')).toMatchObject({ kind: 'tbf' });
  });

  test('touches nothing that no lab made', async () => {
    await expectCode(0, 'apply', lab(''));
    sh('ip', 'link', 'add', 'foreign0', 'type', 'veth', 'peer', 'name', 'foreign1');
    try {
      const before = sh('tc', 'qdisc', 'show');
      const foreign = await topoweave('impair', 'host:foreign0', 'rate=1mbit');
      expect([foreign.code, foreign.stderr]).toEqual([1, expect.stringContaining('belongs to no lab')]);
      const unknown = await topoweave('impair', 'a:eth7', 'rate=1mbit');
      expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('there is no link a:eth7')]);
      expect((await topoweave('impair', 'a:eth0', 'rate=1mbit', '--lab', 'other')).code).toBe(1);
      expect(sh('tc', 'qdisc', 'show')).toBe(before);
    } finally {
      sh('ip', 'link', 'del', 'foreign0');
    }
  });

  test.each([
    [['impair', '--clear']],
    [['impair', 'a:eth0']],
    [['impair', 'a:eth0', 'rate=1mbit', '--clear']],
    [['impair', 'a:eth0', 'rate=1']],
  ])('refuses %j', async (argv) => {
    await expectCode(64, ...argv);
  });
});

// The guest tier tests what netem does; a kernel without it must say so before anything is touched.
test.skipIf(kernelHas('netem'))('a kernel without netem is told before anything is touched', async () => {
  const { stderr } = await expectCode(69, 'apply', lab('delay: 10ms'));
  expect(stderr).toContain('this kernel has no netem');
  expect(stderr).toContain('sch_netem');
  expect(namespaces()).toEqual([]);
  await expectCode(0, 'apply', lab(''));
  await expectCode(69, 'impair', 'a:eth0', 'delay=10ms');
  expect(root('eth0')).toMatchObject({ kind: 'noqueue' });
});
