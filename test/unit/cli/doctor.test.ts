import { expect, test } from 'vitest';
import { UnavailableError } from '../../../src/lib/errors.ts';
import type { ForeignFilters } from '../../../src/observe/foreign-filters.ts';
import { examinationJson, formatExamination, lacking } from '../../../src/report/doctor.ts';
import { painter } from '../../../src/report/style.ts';
import { type EngineObstacles, examine, parseProbe } from '../../../src/system/examine.ts';
import type { Privileges } from '../../../src/system/privileges.ts';
import type { Run } from '../../../src/system/run.ts';

const root: Privileges = { uid: 0, netAdmin: true, sysAdmin: true, userNamespacesOff: [] };
function fakeRun({
  missing = [],
  probe = kernel(),
}: {
  missing?: readonly string[];
  probe?: string;
} = {}): Run {
  return async ([program = '']) => {
    if (missing.includes(program)) throw new UnavailableError('missing-program', `no ${program}`);
    if (program === 'setpriv')
      return { code: 0, stdout: probe, stderr: probe === '' ? 'unshare: not permitted' : '' };
    return { code: 0, stdout: `${program} utility, iproute2-6.1.0, libbpf 1.1.2\n`, stderr: '' };
  };
}

const none = { netlink: undefined, nftables: undefined };

const examineWith = (
  run: Run,
  privileges = root,
  obstacles: EngineObstacles = none,
  filters: ForeignFilters | undefined = { forward: [], bridgesFiltered: false },
) =>
  examine({
    run,
    root: privileges.uid === 0,
    privileges,
    nodeVersion: '20.0.0',
    obstacles,
    ovs: { obstacle: undefined, hasModule: true },
    filters,
  });

const features = (await examineWith(fakeRun({ probe: '' }))).kernel.map(({ name }) => name);
const absent = ['gre', 'gretap', 'ip6gre', 'ip6gretap'];

/** What the probe prints on a machine that has everything but GRE. */
function kernel(): string {
  return features
    .map((name) => `${name} ${absent.includes(name) ? 'missing Error: Unknown device type.' : 'present'}`)
    .join('\n');
}

test('reads what the probe prints', () => {
  const findings = parseProbe(`${kernel()}\nnoise\n`);
  expect(findings.size).toBe(features.length);
  expect(findings.get('veth')).toEqual({ state: 'present', detail: '' });
  expect(findings.get('gre')).toEqual({ state: 'missing', detail: 'Unknown device type' });
});

test('a machine without GRE is good enough, and the report says what brings it', async () => {
  const examination = await examineWith(fakeRun());
  expect(lacking(examination)).toEqual([]);
  const text = formatExamination(examination, painter(false));
  expect(text).toContain('  ip               present  6.1.0\n');
  expect(text).toMatch(
    /gre +missing {2}Unknown device type; for gre tunnels: modprobe ip_gre; Debian: linux-image-amd64\n/,
  );
  expect(text).toMatch(/\ntopoweave works here, without gre, gretap, ip6gre, ip6gretap\n$/);
  expect(examinationJson(examination)).toMatchObject({ schemaVersion: 1, ok: true });
});

test('a missing tool is named with its package; ping is not required', async () => {
  const examination = await examineWith(fakeRun({ missing: ['nft', 'ping', 'tc'] }));
  expect(lacking(examination).map(({ name }) => name)).toEqual(['nft']);
  const text = formatExamination(examination, painter(false));
  expect(text).toMatch(/nft +missing {2}not installed; apt-get install nftables\n/);
  expect(text).toMatch(/ping +missing {2}not installed; apt-get install iputils-ping; only check needs it\n/);
  expect(text).toMatch(/tc +missing {2}not installed; apt-get install iproute2; only impairments need it\n/);
});

test('without privileges it points to the sandbox, where there can be one', async () => {
  const user = { ...root, uid: 1000, netAdmin: false, sysAdmin: false };
  const examination = await examineWith(fakeRun(), user);
  expect(lacking(examination).map(({ name }) => name)).toEqual(['root', 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN']);
  expect(formatExamination(examination, painter(false))).toContain('topoweave sandbox');
});

test('what could not be probed is unknown', async () => {
  const examination = await examineWith(fakeRun({ probe: '' }));
  expect(examination.kernel[0]).toMatchObject({ state: 'unknown', detail: 'unshare: not permitted' });
  expect(lacking(examination).map(({ name }) => name)).toEqual(['veth', 'bridge']);
});

test('says why netlink is not taken; that is no lack', async () => {
  const examination = await examineWith(fakeRun(), root, {
    netlink: 'the package koffi is not installed',
    nftables: undefined,
  });
  expect(lacking(examination)).toEqual([]);
  const text = formatExamination(examination, painter(false));
  expect(text).toMatch(
    /netlink +missing {2}the package koffi is not installed; --engine auto uses the program ip, which is slower\n/,
  );
  expect(text).toMatch(/libnftables +present {2}NAT without a process\n/);
});

test('a packet filter of others is named, with what to do', async () => {
  const forward = [
    { owner: 'docker', chain: 'ip filter FORWARD', what: 'policy', letsThrough: new Set<string>() },
  ] as const;
  const text = formatExamination(
    await examineWith(fakeRun(), root, none, { forward, bridgesFiltered: true }),
    painter(false),
  );
  expect(text).toMatch(/forwarding +limited {2}the chain ip filter FORWARD \(docker\) drops/);
  expect(text).toContain('iptables -I DOCKER-USER -i NAME -j ACCEPT');
  expect(text).toMatch(/bridging +limited {2}br_netfilter/);
});
