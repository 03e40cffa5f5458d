import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { engineName, expectCode, topoweave, workFolder } from '../support/host.ts';

// Who listens where a check leads to: a check that stands in for a dead service would prove nothing.
const folder = workFolder();
const pings = Array.from(
  { length: 20 },
  (_, index) => `  - { name: p${index}, ping: { from: pc, to: web } }`,
);
const file = folder.write(
  'listeners.yaml',
  `name: listeners
namespaces:
  r: {}
  pc: {}
  web:
    services:
      idle: { command: [sleep, "1000"] }
  bare: {}
bridges:
  lan:
    namespace: r
    addresses: [10.3.0.1/24, "fd00:3::1/64"]
    dns: true
    ports:
      pc:eth0: [10.3.0.2/24, "fd00:3::2/64"]
      web:eth0: 10.3.0.3/24
      bare:eth0: 10.3.0.4/24
checks:
  - udp: { from: pc, to: "10.3.0.1:53" }
  - udp: { from: pc, to: "[fd00:3::1]:53" }
  - tcp: { from: pc, to: "10.3.0.1:53" }
  - udp: { from: pc, to: "bare:5000" }
  - tcp: { from: pc, to: "web:80" }
  - tcp: { from: pc, to: "bare:81", listener: false, within: 300ms }
  - udp: { from: pc, to: "bare:53" }
${pings.join('\n')}
`,
);

interface Shown {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly listener?: string | null;
}

async function shown(): Promise<Shown[]> {
  const { stdout } = await topoweave('check', '--json', file);
  return (JSON.parse(stdout) as { checks: Shown[] }).checks.filter(({ name }) => !/^p\d/.test(name));
}

beforeAll(async () => {
  await expectCode(0, 'apply', file);
});
afterAll(async () => {
  await topoweave('destroy', 'listeners');
  folder.remove();
});

test('a name server answers a udp check of port 53, in both families; who listened is said', async () => {
  const checks = await shown();
  expect(checks.map(({ name, ok, listener }) => [name, ok, listener])).toEqual([
    ['udp pc -> 10.3.0.1:53', true, 'other'],
    ['udp pc -> [fd00:3::1]:53', true, 'other'],
    ['tcp pc -> 10.3.0.1:53', true, 'other'],
    ['udp pc -> bare:5000', true, 'own'],
    ['tcp pc -> web:80', true, 'own'],
    ['tcp pc -> bare:81', false, 'none'],
    ['udp pc -> bare:53', true, 'own'],
  ]);
  expect(checks.map(({ detail }) => detail.includes('own listener'))).toEqual(
    checks.map(({ listener }) => listener === 'own'),
  );
});

test('nobody listens in place of a service that is dead, or that was never there', async () => {
  const { stdout } = await topoweave('status', '--json', 'listeners');
  expect(stdout).toContain('listeners');
  for (const pid of pidsOf('dnsmasq')) process.kill(pid);
  for (const pid of pidsOf('sleep')) process.kill(pid);
  await expect.poll(() => [...pidsOf('dnsmasq'), ...pidsOf('sleep')], { timeout: 30_000 }).toEqual([]);
  const checks = await shown();
  expect(checks.filter(({ ok }) => ok).map(({ name }) => name)).toEqual([
    'udp pc -> bare:5000',
    'udp pc -> bare:53',
  ]);
  expect(checks[0]?.detail).toContain('service r/dnsmasq-lan does not run');
  expect(checks[4]).toMatchObject({ ok: false, listener: 'none' });
  expect(checks[4]?.detail).toContain('service web/idle does not run');
  // The text names the address behind a name.
  const text = await topoweave('check', file);
  expect(text.stdout).toMatch(/FAIL {2}tcp pc -> web:80 +10\.3\.0\.3:80: no answer/);
  await expectCode(0, 'apply', file);
});

test('many checks at once: nothing on stderr', () => {
  const { stderr, stdout } = spawnSync(process.execPath, ['dist/topoweave.js', 'check', '--json', file], {
    encoding: 'utf8',
    env: { ...process.env, TOPOWEAVE_ENGINE: engineName },
  });
  expect(JSON.parse(stdout)).toMatchObject({ lab: 'listeners' });
  expect(stderr).toBe('');
});

/** Of this throw-away host, which has process numbers of its own. */
function pidsOf(command: string): number[] {
  const { stdout } = spawnSync('sh', ['-c', 'grep -lx "$0" /proc/[0-9]*/comm 2>/dev/null', command], {
    encoding: 'utf8',
  });
  return stdout
    .split('\n')
    .flatMap((line) => /^\/proc\/(\d+)\//.exec(line)?.[1] ?? [])
    .map(Number);
}
