import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dump, expectCode, ip, sh, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
const example = 'topologies/docker-user.yaml';
let before = '';
beforeEach(() => {
  before = dump();
  for (const program of ['iptables', 'ip6tables']) startDocker(program);
});
afterEach(async () => {
  await topoweave('destroy', '--all');
  for (const family of ['ip', 'ip6']) sh('nft', 'delete', 'table', family, 'filter');
  expect(dump()).toBe(before);
});
afterAll(() => folder.remove());

/** What Docker's filter is made of: it drops, but for what its chains accept; and what the machine's owner has there. */
function startDocker(program: string): void {
  const foreign = program === 'iptables' ? '198.51.100.0/24' : '2001:db8:99::/48';
  sh(program, '-N', 'DOCKER-USER');
  sh(program, '-P', 'FORWARD', 'DROP');
  sh(program, '-I', 'FORWARD', '-j', 'DOCKER-USER');
  sh(program, '-A', 'FORWARD', '-i', 'docker0', '-j', 'ACCEPT');
  const comment = ['-m', 'comment', '--comment', 'topoweave: a "foreign" one \\'];
  sh(program, '-A', 'DOCKER-USER', '-s', foreign, ...comment, '-j', 'DROP');
  sh(program, '-A', 'DOCKER-USER', '-i', 'virbr0', '-j', 'ACCEPT');
  sh(program, '-A', 'DOCKER-USER', '-j', 'RETURN');
}

/** The filter tables of both families, without what counts by itself. */
function filters(): string {
  return ['iptables-save', 'ip6tables-save']
    .map((program) => sh(program, '-t', 'filter').replaceAll(/^#.*$|\[\d+:\d+\]/gm, ''))
    .join('\n');
}

function rulesOf(lab: string, program = 'iptables'): string[] {
  const mark = ` -m comment --comment "topoweave:${lab}"`;
  return sh(program, '-S', 'DOCKER-USER')
    .split('\n')
    .filter((line) => line.includes(mark))
    .map((line) => line.replace('-A DOCKER-USER ', '').replace(mark, ''))
    .sort();
}

function both(...names: string[]): string[] {
  return names.flatMap((name) => [`-i ${name} -j ACCEPT`, `-o ${name} -j ACCEPT`]).sort();
}

/** A machine that forwards between its two links, with both families. */
function routed({ firewall = '{ integrate: docker-user }', name = 'lab', far = 'right' } = {}): string {
  return folder.write(
    `${name}.yaml`,
    `name: ${name}
namespaces:
  host: { forwarding: true, firewall: ${firewall} }
  a: { routes: [{ to: default, via: 10.62.1.1 }, { to: "::/0", via: "fd62:1::1" }] }
  b: { routes: [{ to: default, via: 10.62.2.1 }, { to: "::/0", via: "fd62:2::1" }] }
links:
  - endpoints: { host:left: [10.62.1.1/24, "fd62:1::1/64"], a:eth0: [10.62.1.2/24, "fd62:1::2/64"] }
  - endpoints: { host:${far}: [10.62.2.1/24, "fd62:2::1/64"], b:eth0: [10.62.2.2/24, "fd62:2::2/64"] }
checks:
  - ping: { from: a, to: 10.62.2.2, within: 2s }
  - ping: { from: a, to: "fd62:2::2", within: 2s }
`,
  );
}

async function expectNothingToDo(file: string): Promise<void> {
  const { stdout } = await expectCode(0, 'plan', '--detailed-exitcode', file);
  expect(stdout).toContain('No changes');
}

test('what the machine drops gets through, and nothing else of the filters changes', async () => {
  const foreign = filters();
  const without = routed({ firewall: '{}' });
  await expectCode(0, 'apply', without);
  expect((await expectCode(1, 'check', without)).stdout).toContain('2 failed');
  expect((await expectCode(0, 'plan', without)).stderr).toContain(
    'write firewall: { integrate: docker-user }',
  );
  expect(filters()).toBe(foreign);

  const file = routed();
  const { stdout, stderr } = await expectCode(0, 'plan', file);
  expect(stdout).toContain('+ docker-user -i left -j ACCEPT (IPv6)  # lab.yaml:3');
  expect(stdout).toContain('Plan: 8 to add, 0 to change, 0 to destroy.');
  expect(stderr).not.toContain('warning');
  const { stdout: commands } = await expectCode(0, 'plan', '--commands', file);
  expect(commands.trim().split('\n')).toContain(
    'ip6tables -w -I DOCKER-USER -o right -m comment --comment topoweave:lab -j ACCEPT',
  );
  expect(filters()).toBe(foreign);
  await expectCode(0, 'apply', file);
  expect((await expectCode(0, 'check', file)).stdout).toContain('2 passed');
  for (const program of ['iptables', 'ip6tables'])
    expect(rulesOf('lab', program)).toEqual(both('left', 'right'));
  await expectNothingToDo(file);
  expect((await expectCode(0, 'plan', file)).stderr).not.toContain('warning');

  // Nothing is left when the key leaves the file.
  await expectCode(0, 'apply', routed({ firewall: '{}' }));
  expect(filters()).toBe(foreign);
  await expectNothingToDo(without);
  // Nor when the lab goes, and its file is gone.
  await expectCode(0, 'apply', routed());
  expect(filters()).not.toBe(foreign);
  folder.write('lab.yaml', '');
  await expectCode(0, 'destroy', 'lab');
  expect(filters()).toBe(foreign);
}, 60_000);

test('the lines of the plan are what a person can type', async () => {
  const file = routed();
  await expectCode(0, 'apply', routed({ firewall: '{}' }));
  routed();
  const { stdout } = await expectCode(0, 'plan', '--commands', file);
  for (const line of stdout.trim().split('\n')) sh('sh', '-c', line);
  await expectNothingToDo(file);
});

describe('drift', () => {
  const rule = (key: string, name: string) => [
    ...['DOCKER-USER', key, name, '-m', 'comment', '--comment', 'topoweave:lab', '-j', 'ACCEPT'],
  ];

  test('a rule that is gone comes back, and one too many goes', async () => {
    const file = routed();
    await expectCode(0, 'apply', file);
    const mended = filters();
    sh('iptables', '-D', ...rule('-o', 'left'));
    sh('ip6tables', '-I', ...rule('-i', 'right'));
    const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', file);
    expect(stdout).toContain('+ docker-user -o left -j ACCEPT  #');
    expect(stdout).toContain('- docker-user -i right -j ACCEPT (IPv6)  #');
    expect(stdout).toContain('Plan: 1 to add, 0 to change, 1 to destroy.');
    await expectCode(0, 'apply', file);
    await expectNothingToDo(file);
    expect(filters().split('\n').sort()).toEqual(mended.split('\n').sort());
    sh('iptables', '-F', 'DOCKER-USER');
    await expectCode(0, 'apply', file);
    expect(rulesOf('lab')).toEqual(both('left', 'right'));
  });

  test('an interface that leaves takes its rules along; those of another lab stay', async () => {
    const other = folder.write(
      'other.yaml',
      `name: other
namespaces: { host: { firewall: { integrate: docker-user } }, c: {} }
links: [{ endpoints: { host:third: 10.63.0.1/24, c:eth0: 10.63.0.2/24 } }]
`,
    );
    await expectCode(0, 'apply', other);
    await expectCode(0, 'apply', routed());
    const file = routed({ far: 'other-end' });
    await expectCode(0, 'apply', file);
    expect(rulesOf('lab')).toEqual(both('left', 'other-end'));
    await expectCode(0, 'destroy', 'lab');
    expect(rulesOf('lab')).toEqual([]);
    expect(rulesOf('other')).toEqual(both('third'));
    await expectNothingToDo(other);
  });

  test('the chain goes, and comes again', async () => {
    const file = routed();
    await expectCode(0, 'apply', file);
    for (const program of ['iptables', 'ip6tables']) {
      sh(program, '-F');
      sh(program, '-X', 'DOCKER-USER');
      sh(program, '-P', 'FORWARD', 'ACCEPT');
    }
    const { stdout, stderr } = await expectCode(0, 'plan', '--detailed-exitcode', file);
    expect(stdout).toContain('No changes');
    expect(stderr).toContain('warning[no-docker-user] there is nothing to integrate with');
    const json = await expectCode(0, 'plan', '--json', file);
    expect(JSON.parse(json.stdout)).toMatchObject({ steps: [], warnings: [{ code: 'no-docker-user' }] });
    await expectCode(0, 'apply', file);
    startDocker('iptables');
    await expectCode(0, 'apply', file);
    expect(rulesOf('lab')).toEqual(both('left', 'right'));
    const one = await expectCode(0, 'plan', '--detailed-exitcode', file);
    expect(one.stderr).not.toContain('warning');
  });
});

test('only those who ask for it start iptables', async () => {
  const count = ({ stderr }: { stderr: string }) => Number(/processes started: (\d+)/.exec(stderr)?.[1] ?? 0);
  const without = routed({ firewall: '{}' });
  await expectCode(0, 'apply', without);
  const usual = count(await expectCode(0, 'status', without));
  const file = routed();
  expect(count(await expectCode(0, 'status', file))).toBe(usual + 2);
  await expectCode(0, 'apply', file);
  routed({ firewall: '{}' });
  // The record says that there are rules to take away.
  expect(count(await expectCode(0, 'status', file))).toBe(usual + 2);
  await expectCode(0, 'apply', file);
  expect(count(await expectCode(0, 'status', file))).toBe(usual);
});

test('rules of the lab itself decide before', async () => {
  await expectCode(0, 'apply', example);
  await expectCode(0, 'check', example);
  expect(rulesOf('docker-user')).toEqual(both('dmz', 'lan'));
  expect(sh('ip6tables', '-S', 'DOCKER-USER')).not.toContain('"topoweave:docker-user" -j DROP');
});

test('a bridge of the machine, and a name that the kernel does not take', async () => {
  ip('host', 'link', 'add', 'br7', 'type', 'bridge');
  try {
    const file = folder.write(
      'adopt.yaml',
      `name: lab
namespaces: { host: { firewall: { integrate: docker-user } }, a: {}, b: {} }
bridges: { br7: { adopt: true, ports: { a:eth0: 10.64.0.2/24 } } }
links: [{ endpoints: { host:a-name-that-is-rather-long: 10.65.0.1/24, b:eth0: 10.65.0.2/24 } }]
`,
    );
    await expectCode(0, 'apply', file);
    const [, long = ''] = /-i (a-nam\S+) /.exec(rulesOf('lab').join('\n')) ?? [];
    expect(ip('host', 'link', 'show', 'dev', long)).toContain('a-name-that-is-rather-long');
    expect(rulesOf('lab')).toEqual(both(long, 'br7'));
    await expectNothingToDo(file);
    await expectCode(0, 'destroy', file);
    expect(rulesOf('lab')).toEqual([]);
  } finally {
    ip('host', 'link', 'del', 'br7');
  }
});
