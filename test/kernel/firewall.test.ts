import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dump, engineName, expectCode, namespaces, sh, topoweave, workFolder } from '../support/host.ts';

const folder = workFolder();
let before = '';
beforeEach(() => {
  before = dump();
});
afterEach(async () => {
  await topoweave('destroy', '--all');
  expect(dump()).toBe(before);
});
afterAll(() => folder.remove());

const matrix = 'test/fixtures/firewall-matrix.yaml';

/** The rule set of a namespace without what counts by itself. */
function ruleset(namespace: string): string {
  return nft(namespace, 'list', 'ruleset').replace(/packets \d+ bytes \d+/g, 'packets … bytes …');
}

function nft(namespace: string, ...args: string[]): string {
  return namespace === 'host' ? sh('nft', ...args) : sh('ip', 'netns', 'exec', namespace, 'nft', ...args);
}

function lab(rules: string, more = ''): string {
  return folder.write(
    'lab.yaml',
    `name: lab
namespaces:
  gw:
    firewall:
      sets: { friends: [10.0.0.2] }
      counters: [seen]
${more}      input:
        policy: drop
        rules:
${rules
  .trim()
  .split('\n')
  .map((line) => `          ${line.trim()}`)
  .join('\n')}
  a: {}
links:
  - endpoints: { gw:lan: 10.0.0.1/24, a:eth0: 10.0.0.2/24 }
`,
  );
}

const friendly = '- { from: "@friends", action: accept, counter: seen }';
const table = ['inet', 'topoweave-lab_firewall'];

async function expectMended(file: string, said: RegExp): Promise<void> {
  const { stdout } = await expectCode(2, 'plan', '--detailed-exitcode', file);
  expect(stdout).toMatch(said);
  await expectCode(0, 'apply', file);
  const after = await expectCode(0, 'plan', '--detailed-exitcode', file);
  expect(after.stdout).toContain('No changes');
}

describe('every word', () => {
  test('is loaded, read back as it is, and gone after destroy', async () => {
    await expectCode(0, 'apply', matrix);
    const { stdout } = await expectCode(0, 'plan', '--detailed-exitcode', matrix);
    expect(stdout).toContain('No changes');
    expect(ruleset('gw')).toMatchSnapshot();
    await expectCode(0, 'destroy', matrix);
    expect(namespaces()).toEqual([]);
  });

  test('the long form needs no change', async () => {
    await expectCode(0, 'apply', matrix);
    const { stdout } = await expectCode(0, 'render', matrix);
    const long = folder.write('long.yaml', stdout);
    await expectCode(0, 'plan', '--detailed-exitcode', long);
  });
});

describe('drift', () => {
  const drifts: [string, RegExp, string[][]][] = [
    [
      'a rule that somebody added',
      /- firewall input: somebody else's rule, handle \d+/,
      [['insert', 'rule', ...table, 'input', 'accept']],
    ],
    [
      'a rule that somebody removed',
      /\+ firewall input: accept from @friends/,
      [['flush', 'chain', ...table, 'input']],
    ],
    ['another policy', /policy: accept -> drop/, [['chain', ...table, 'input', '{ policy accept ; }']]],
    [
      'an element that somebody added',
      /elements: 10\.0\.0\.2, 192\.0\.2\.5 -> 10\.0\.0\.2/,
      [['add', 'element', ...table, 'friends_4', '{ 192.0.2.5 }']],
    ],
    [
      'an element that somebody removed',
      /elements/,
      [['delete', 'element', ...table, 'friends_4', '{ 10.0.0.2 }']],
    ],
    ['a chain that somebody added', /- firewall mine/, [['add', 'chain', ...table, 'mine']]],
    [
      'a set that somebody added',
      /- firewall set mine/,
      [['add', 'set', ...table, 'mine', '{ type ipv4_addr ; }']],
    ],
    ['a counter that somebody added', /- firewall counter mine/, [['add', 'counter', ...table, 'mine']]],
    ['a table that somebody deleted', /\+ firewall input\b/, [['delete', 'table', ...table]]],
    [
      'a table that somebody emptied',
      /firewall empty table/,
      [
        ['delete', 'table', ...table],
        ['add', 'table', ...table],
      ],
    ],
  ];
  test.each(drifts)('%s', async (_, said, commands) => {
    const file = lab(friendly);
    await expectCode(0, 'apply', file);
    const wanted = ruleset('gw');
    for (const words of commands) nft('gw', ...words);
    await expectMended(file, said);
    expect(ruleset('gw')).toBe(wanted);
  });

  test('a rule that somebody replaced', async () => {
    const file = lab(friendly);
    await expectCode(0, 'apply', file);
    const wanted = ruleset('gw');
    const [, handle = ''] =
      /saddr @friends_4.* # handle (\d+)/.exec(nft('gw', '-a', 'list', 'table', ...table)) ?? [];
    nft('gw', 'replace', 'rule', ...table, 'input', 'handle', handle, 'accept');
    await expectMended(file, /- firewall input: somebody else's rule, handle/);
    expect(ruleset('gw')).toBe(wanted);
  });

  test('the order of rules', async () => {
    const [one, two] = [
      '- { protocol: tcp, port: 80, action: accept }',
      '- { from: 10.0.0.0/24, action: drop }',
    ];
    await expectCode(0, 'apply', lab(`${one}\n${two}`));
    await expectMended(lab(`${two}\n${one}`), /~ firewall input/);
    const rules = ruleset('gw');
    expect(rules.indexOf('ip saddr 10.0.0.0/24 drop')).toBeLessThan(rules.indexOf('tcp dport 80 accept'));
  });
});

describe('changes', () => {
  test('a counter keeps what it has counted', async () => {
    await expectCode(0, 'apply', lab(friendly));
    sh('ip', 'netns', 'exec', 'a', 'ping', '-q', '-c2', '-W5', '10.0.0.1');
    const counted = () =>
      Number(/packets (\d+)/.exec(nft('gw', 'list', 'counter', ...table, 'seen_counter'))?.[1]);
    const first = counted();
    expect(first).toBeGreaterThanOrEqual(2);
    await expectCode(0, 'apply', lab(`${friendly}\n- { protocol: tcp, port: 22, action: accept }`));
    expect(counted()).toBeGreaterThanOrEqual(first);
  });

  test('the firewall leaves the file, and the table goes', async () => {
    await expectCode(0, 'apply', lab(friendly));
    const without = folder.write(
      'without.yaml',
      'name: lab\nnamespaces: { gw: {}, a: {} }\nlinks: [{ endpoints: { gw:lan: 10.0.0.1/24, a:eth0: 10.0.0.2/24 } }]\n',
    );
    await expectCode(0, 'apply', without);
    expect(ruleset('gw')).toBe('');
    await expectCode(0, 'plan', '--detailed-exitcode', without);
  });

  test('the order of NAT, where the first rule that matches translates', async () => {
    const snat = (...entries: string[]) =>
      folder.write('nat.yaml', `name: lab\nnamespaces:\n  gw: { nat: { snat: [${entries.join(', ')}] } }\n`);
    const [one, two] = ['{ from: 10.1.0.0/16, to: 192.0.2.7 }', '{ from: 10.0.0.0/8, to: 192.0.2.8 }'];
    await expectCode(0, 'apply', snat(one, two));
    await expectMended(snat(two, one), /~ snat 10\.0\.0\.0\/8 to 192\.0\.2\.8/);
    const rules = ruleset('gw');
    expect(rules.indexOf('snat ip to 192.0.2.8')).toBeLessThan(rules.indexOf('snat ip to 192.0.2.7'));
    await expectMended(snat(two, '{ from: 10.2.0.0/16, to: 192.0.2.9 }', one), /1 to add, 0 to change/);
  });

  test('NAT that the file says twice, itself and by a network, is one rule', async () => {
    const file = folder.write(
      'twice.yaml',
      `name: lab
namespaces: { gw: { nat: { masquerade: [{ from: 10.0.0.0/24, out: "!n" }, { from: 10.0.0.0/24, out: "!n" }] } }, a: {} }
networks: { n: { namespace: gw, subnet: 10.0.0.0/24, members: [a] } }
`,
    );
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    expect(ruleset('gw').match(/ masquerade comment/g)).toHaveLength(1);
  });

  test('NAT and filter do not touch each other', async () => {
    const withNat = (port: number) =>
      folder.write(
        'nat.yaml',
        `name: lab
namespaces:
  gw:
    forwarding: true
    nat: { masquerade: [{ from: 10.0.0.0/24, out: wan }] }
    firewall: { counters: [seen], forward: { rules: [{ protocol: tcp, port: ${port}, action: drop, counter: seen }] } }
  a: {}
  b: {}
links:
  - endpoints: { gw:lan: 10.0.0.1/24, a:eth0: 10.0.0.2/24 }
  - endpoints: { gw:wan: 10.1.0.1/24, b:eth0: 10.1.0.2/24 }
`,
      );
    await expectCode(0, 'apply', withNat(80));
    const handles = () => nft('gw', '-a', 'list', 'table', 'inet', 'topoweave-lab');
    const nat = handles();
    await expectCode(0, 'apply', withNat(81));
    expect(handles()).toBe(nat);
    expect(ruleset('gw')).toContain('tcp dport 81');
  });
});

describe('strangers', () => {
  test('tables of others are the same, byte for byte, before, during and after', async () => {
    const file = folder.write(
      'host.yaml',
      `name: lab
namespaces:
  host: { firewall: { forward: { rules: [{ in: lan0, action: accept }] }, bridge: { forward: { rules: [{ in: lan0, action: drop }] } } } }
  a: {}
links: [{ endpoints: { host:lan0: 10.0.0.1/24, a:eth0: 10.0.0.2/24 } }]
`,
    );
    sh(
      'nft',
      'table inet stranger { set s { type ipv4_addr; elements = { 10.1.1.1 }; }; chain c { type filter hook forward priority 0; policy accept; ip saddr @s drop; }; }',
    );
    sh(
      'nft',
      'table bridge stranger { chain c { type filter hook forward priority 0; ether type arp accept; }; }',
    );
    const others = () =>
      ['inet', 'bridge'].map((family) => sh('nft', '-a', 'list', 'table', family, 'stranger')).join('');
    const foreign = others();
    await expectCode(0, 'apply', file);
    expect(others()).toBe(foreign);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    await expectCode(0, 'destroy', file);
    expect(others()).toBe(foreign);
    expect(sh('nft', 'list', 'tables')).not.toContain('topoweave');
    sh('nft', 'delete', 'table', 'inet', 'stranger');
    sh('nft', 'delete', 'table', 'bridge', 'stranger');
  });

  test('a table that another lab has in the same namespace stays', async () => {
    const write = (name: string) =>
      folder.write(
        `${name}.yaml`,
        `name: ${name}\nnamespaces: { host: { firewall: { input: { rules: [{ from: 10.77.0.1, action: drop }] } } } }\n`,
      );
    await expectCode(0, 'apply', write('one'));
    await expectCode(0, 'apply', write('two'));
    await expectCode(0, 'destroy', 'one');
    expect(sh('nft', 'list', 'tables')).toBe('table inet topoweave-two_firewall\n');
    await expectCode(0, 'plan', '--detailed-exitcode', write('two'));
  });
});

describe('what others filter', () => {
  test('a policy of the machine that drops is named, until its rules let the lab through', async () => {
    const file = folder.write(
      'routed.yaml',
      'name: lab\nnamespaces: { host: { forwarding: [ipv4] }, a: {} }\nlinks: [{ endpoints: { host:lan0: 10.0.0.1/24, a:eth0: 10.0.0.2/24 } }]\n',
    );
    expect((await expectCode(0, 'plan', file)).stderr).not.toContain('warning');
    nft(
      'host',
      'table ip filter { chain DOCKER-USER { }; chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER-USER; }; }',
    );
    const { stderr } = await expectCode(0, 'plan', file);
    expect(stderr).toContain('warning[foreign-filter] the chain ip filter FORWARD (docker) drops');
    expect(stderr).toContain('iptables -I DOCKER-USER -i lan0 -j ACCEPT');
    const { stdout } = await expectCode(0, 'plan', '--json', file);
    expect(JSON.parse(stdout)).toMatchObject({ warnings: [{ code: 'foreign-filter' }] });
    expect((await expectCode(0, 'doctor')).stdout).toMatch(/forwarding +limited/);
    for (const key of ['iifname', 'oifname'])
      nft('host', 'add', 'rule', 'ip', 'filter', 'DOCKER-USER', key, 'lan0', 'counter', 'accept');
    expect((await expectCode(0, 'plan', file)).stderr).not.toContain('warning');
    nft('host', 'delete', 'table', 'ip', 'filter');
  });

  test('forward rules of a namespace do not see what its bridge passes', async () => {
    const file = folder.write(
      'bridged.yaml',
      `name: lab
namespaces: { gw: { forwarding: true, firewall: { forward: { policy: drop } } }, a: {}, b: {} }
bridges: { lan: { namespace: gw, ports: { a:eth0: 10.0.0.2/24, b:eth0: 10.0.0.3/24 } } }
checks: [{ ping: { from: a, to: b } }]
`,
    );
    await expectCode(0, 'apply', file);
    await expectCode(0, 'check', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
  });
});

describe('before interfaces come up', () => {
  test('the policy is there, and drops', async () => {
    const file = lab('- { protocol: icmpv6, action: accept }');
    const { stdout } = await expectCode(0, 'plan', '--commands', file);
    const lines = stdout.split('\n');
    const up = lines.findIndex((line) => /^ip -n gw link .*\bup\b/.test(line));
    expect(up).toBeGreaterThan(
      lines.findIndex((line) => line.startsWith('table inet topoweave-lab_firewall')),
    );
    await expectCode(0, 'apply', file);
    expect(() => sh('ip', 'netns', 'exec', 'a', 'ping', '-q', '-c1', '-W1', '10.0.0.1')).toThrow();
  });

  test('a firewall that joins a running namespace is there before a new interface', async () => {
    await expectCode(0, 'apply', folder.write('plain.yaml', 'name: lab\nnamespaces: { gw: {}, a: {} }\n'));
    const { stdout } = await expectCode(0, 'plan', '--commands', lab(friendly));
    const lines = stdout.split('\n');
    const up = lines.findIndex((line) => /^ip -n gw link .*lan.*\bup\b/.test(line));
    expect(up).toBeGreaterThan(
      lines.findIndex((line) => line.startsWith('table inet topoweave-lab_firewall')),
    );
    await expectCode(0, 'apply', lab(friendly));
  });
});

describe('scale', () => {
  test('10,000 elements are one transaction, and a change of one is another', async () => {
    const write = (count: number) => {
      const elements = Array.from(
        { length: count },
        (_, index) => `10.${index >> 8}.${index & 255}.${(index * 7) & 254}`,
      );
      return folder.write(
        'large.yaml',
        `name: lab\nnamespaces: { gw: { firewall: { sets: { many: [${elements.join(', ')}] }, input: { rules: [{ from: "@many", action: drop }] } } } }\n`,
      );
    };
    const file = write(10_000);
    const { stdout } = await expectCode(0, 'plan', '--commands', file);
    expect(stdout.match(/^ip netns exec gw nft -f - /gm)).toHaveLength(1);
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    const more = write(10_001);
    await expectCode(0, 'apply', more);
    await expectCode(0, 'plan', '--detailed-exitcode', more);
    expect(nft('gw', '-j', 'list', 'set', ...table, 'many_4').match(/10\.39\.16\./g)).not.toBeNull();
  });
});

test('both engines load the same rule set', async () => {
  await expectCode(0, 'apply', '--engine', engineName, matrix);
  const own = ruleset('gw');
  await expectCode(0, 'destroy', matrix);
  await expectCode(0, 'apply', '--engine', engineName === 'ip' ? 'netlink' : 'ip', matrix);
  expect(ruleset('gw')).toBe(own);
});

test('what the kernel cannot do in a bridge is said before anything is touched', async () => {
  const file = folder.write(
    'answers.yaml',
    `name: lab
namespaces: { gw: { firewall: { bridge: { input: { rules: [{ protocol: tcp, action: reject }] }, forward: { rules: [{ state: established, action: accept }] } } } } }
`,
  );
  const { code, stderr } = await topoweave('apply', file);
  if (code === 0) {
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    return;
  }
  expect(code).toBe(69);
  expect(stderr).toMatch(/this kernel has no '(reject|state)' for rules of a bridge; nothing was changed/);
  expect(namespaces()).toEqual([]);
});
