import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Module } from 'node:module';
import { Script } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dump, expectCode, kernelHas, namespaces, sh, topoweave, workFolder } from '../support/host.ts';

// The commands that look, on one lab.
const folder = workFolder();
const office = 'topologies/office.yaml';
let before = '';
beforeAll(async () => {
  before = dump();
  await expectCode(0, 'apply', office);
  // Until duplicate address detection has settled the link-local addresses: the dumps below are compared.
  sh('sleep', '2.2');
});
afterAll(async () => {
  await expectCode(0, 'destroy', office);
  expect(dump()).toBe(before);
  folder.remove();
});

interface Inspected {
  readonly namespaces: readonly {
    readonly name: string;
    readonly lab: string | null;
    readonly interfaces: readonly {
      readonly name: string;
      readonly master: string | null;
      readonly peer: unknown;
    }[];
    readonly bridges: readonly unknown[];
    readonly nat: readonly string[];
  }[];
}

test('inspect finds peers by ifindex and namespace id, and shows ports, routes and NAT', async () => {
  const { stdout } = await expectCode(0, 'inspect', 'office', '--json');
  const { namespaces } = JSON.parse(stdout) as Inspected;
  expect(namespaces.map(({ name }) => name)).toEqual(['alice', 'gw', 'isp', 'web']);
  const gw = namespaces.find(({ name }) => name === 'gw');
  expect(gw?.bridges).toEqual([{ name: 'lan', ports: ['alice-eth0', 'web-eth0'] }]);
  expect(gw?.interfaces.find(({ name }) => name === 'wan')?.peer).toEqual({
    namespace: 'isp',
    interface: 'eth0',
  });
  expect(gw?.interfaces.find(({ name }) => name === 'web-eth0')).toMatchObject({
    master: 'lan',
    peer: { namespace: 'web', interface: 'eth0' },
  });
  expect(gw?.nat.join('\n')).toContain('publish 8080 -> 10.0.0.3:80/tcp');
  const table = await expectCode(0, 'inspect', office);
  expect(table.stdout).toMatch(/^ {2}route default via 192\.0\.2\.1 dev wan$/m);
});

test('inspect without a lab shows the host and strangers as well', async () => {
  sh('ip', 'netns', 'add', 'stranger');
  const { stdout } = await expectCode(0, 'inspect', '--json');
  sh('ip', 'netns', 'del', 'stranger');
  const { namespaces } = JSON.parse(stdout) as Inspected;
  expect(namespaces.find(({ name }) => name === 'stranger')?.lab).toBeNull();
  expect(namespaces.some(({ name }) => name === 'host')).toBe(true);
});

test('status shows drift in both directions, and exits with 2 when asked', async () => {
  const { stdout } = await expectCode(0, 'status', 'office');
  expect(stdout).toContain('no drift');
  sh('ip', '-n', 'gw', 'address', 'add', '10.66.0.1/24', 'dev', 'lan');
  sh('ip', '-n', 'web', 'route', 'del', 'default');
  const drift = await expectCode(2, 'status', '--detailed-exitcode', office);
  expect(drift.stdout).toContain('- address 10.66.0.1/24 on lan');
  expect(drift.stdout).toContain('+ route default');
  const json = JSON.parse((await expectCode(0, 'status', '--json', office)).stdout) as { inSync: boolean };
  expect(json.inSync).toBe(false);
  await expectCode(0, 'apply', office);
});

test('plan as JSON has the steps with their causes', async () => {
  sh('ip', '-n', 'web', 'link', 'set', 'eth0', 'mtu', '1400');
  const { stdout } = await expectCode(0, 'plan', '--json', office);
  const plan = JSON.parse(stdout) as {
    summary: unknown;
    steps: { id: string; changes: unknown; source: string }[];
  };
  expect(plan.summary).toEqual({ add: 0, change: 1, destroy: 0 });
  expect(plan.steps).toHaveLength(1);
  expect(plan.steps[0]).toMatchObject({
    id: 'update web/eth0',
    changes: [{ attribute: 'mtu', before: 1400, after: 1500 }],
  });
  expect(plan.steps[0]?.source).toMatch(/^office\.yaml:\d+$/);
  const applied = JSON.parse((await expectCode(0, 'apply', '--json', office)).stdout) as { applied: boolean };
  expect(applied.applied).toBe(true);
});

test('a dry run changes nothing', async () => {
  sh('ip', '-n', 'web', 'link', 'set', 'eth0', 'mtu', '1400');
  const now = dump();
  await expectCode(0, 'apply', '--dry-run', office);
  await expectCode(0, 'destroy', '--dry-run', office);
  expect(dump()).toBe(now);
  await expectCode(0, 'apply', office);
});

test('exec runs in the namespace and passes the exit code on', () => {
  const run = (...argv: string[]) =>
    execFileSync(process.execPath, ['dist/topoweave.js', ...argv], { encoding: 'utf8', stdio: 'pipe' });
  expect(run('exec', 'web', '--', 'ip', '-br', 'address')).toContain('10.0.0.3/24');
  expect(run('exec', '--lab', 'office', 'web', '--', 'echo', '--json', '--', 'x')).toBe('--json -- x\n');
  expect(() => run('exec', 'web', '--', 'sh', '-c', 'exit 7')).toThrow(
    expect.objectContaining({ status: 7 }),
  );
  expect(() => run('exec', '--lab', 'other', 'web', '--', 'true')).toThrow(
    expect.objectContaining({ status: 1 }),
  );
});

test('the build keeps bytecode of the program that this Node accepts', () => {
  const source = Module.wrap(readFileSync('dist/program.js', 'latin1'));
  // Behind the digest.
  const cachedData = readFileSync('dist/program.js.bytecode').subarray(32);
  expect(new Script(source, { cachedData }).cachedDataRejected).toBe(false);
});

test('what cannot be is refused before anything is touched', async () => {
  const now = dump();
  const bad = folder.write(
    'bad.yaml',
    'name: office\nnamespaces: [alice]\nlinks: [[alice:eth0, bob:eth0]]\n',
  );
  const { stderr } = await expectCode(65, 'apply', bad);
  expect(stderr).toContain('bad.yaml:3:');
  expect(stderr).toContain("namespace 'bob' is not declared");
  expect((await topoweave('exec', 'nobody', '--', 'true')).stderr).toContain('there is no namespace nobody');
  expect((await topoweave('inspect', 'nolab')).stderr).toContain("there is no lab 'nolab'");
  expect((await topoweave('destroy')).code).toBe(64);
  expect(dump()).toBe(now);
});

test('a step that fails names the step, the command and what to do; the rest can be destroyed', async () => {
  // The record folder is fine, the kernel refuses: the address is not valid for the kernel's own reasons.
  const file = folder.write(
    'fails.yaml',
    'name: fails\nnamespaces: { x: { sysctls: { net.ipv4.conf.all.no_such_thing: 1 } }, y: {} }\nlinks: [[x:eth0, y:eth0]]\n',
  );
  const { stderr } = await expectCode(1, 'apply', file);
  expect(stderr).toContain('net.ipv4.conf.all.no_such_thing');
  expect(stderr).toContain('topoweave destroy fails');
  await expectCode(0, 'destroy', 'fails');
});

test('two runs at once: one of them waits for nothing and says so', async () => {
  const { withLock } = await import('../../src/system/lock.ts');
  await withLock(async () => {
    const { stderr } = await expectCode(1, 'apply', office);
    expect(stderr).toContain('another topoweave is changing this machine');
  });
});

test('a kernel without a kind of link is known before anything is touched', async () => {
  const missing = ['gre', 'ip6gre'].find((kind) => !kernelHas(kind));
  const file = folder.write(
    'gre.yaml',
    'name: nogre\nnamespaces: [x, y]\nlinks: [{ endpoints: { x:wan: 192.0.2.1/30, y:wan: 192.0.2.2/30 } }]\ntunnels: { tun: { type: gre, endpoints: { x: { local: 192.0.2.1 }, y: { local: 192.0.2.2 } } } }\n',
  );
  const { stderr } = await expectCode(missing === undefined ? 0 : 69, 'apply', file);
  if (missing !== undefined) expect(stderr).toContain('this kernel has no gre links; nothing was changed');
  expect(namespaces().includes('x')).toBe(missing === undefined);
  await expectCode(0, 'destroy', 'nogre');
});
