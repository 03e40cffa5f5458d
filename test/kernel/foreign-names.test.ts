import { afterAll, afterEach, expect, test } from 'vitest';
import { parseToolJson } from '../../src/engine/ip/tool-json.ts';
import { kernelName } from '../../src/lib/interface-name.ts';
import { dump, expectCode, ip, sh, workFolder } from '../support/host.ts';

const folder = workFolder();
afterEach(async () => {
  await expectCode(0, 'destroy', '--all');
});
afterAll(() => folder.remove());

const lab = () =>
  folder.write(
    'lab.yaml',
    'name: lab\nnamespaces: [a, b]\nlinks: [{ endpoints: { a:eth0: 10.0.0.1/24, b:eth0: 10.0.0.2/24 } }]\n',
  );

/** Makes a bridge with any bytes in its name, alias and alternative name: ip(8) takes only some. Prints the errno. */
const maker = `
import socket, struct, sys
def attribute(kind, data):
    return struct.pack('HH', 4 + len(data), kind) + data + b'\\0' * (-len(data) % 4)
def ask(s, kind, flags, body):
    s.send(struct.pack('IHHII', 16 + len(body), kind, flags | 5, 1, 0) + body)
    return struct.unpack('i', s.recv(65536)[16:20])[0]
s = socket.socket(16, 3, 0)
name, alias, alternative = [bytes.fromhex(word) for word in sys.argv[1:4]]
head = lambda index: struct.pack('BxHiII', 0, 0, index, 0, 0)
errors = [ask(s, 16, 0x600, head(0) + attribute(3, name + b'\\0') + attribute(18, attribute(1, b'bridge\\0')))]
index = max(i for i, _ in socket.if_nameindex())
if alias: errors.append(ask(s, 19, 0, head(index) + attribute(20, alias + b'\\0')))
if alternative: errors.append(ask(s, 108, 0x600, head(index) + attribute(52 | 0x8000, attribute(53, alternative + b'\\0'))))
print(errors)
`;

interface Names {
  readonly name: string | Buffer;
  readonly alias?: string;
  readonly alternative?: string;
}

function makeBridge(namespace: string, { name, alias = '', alternative = '' }: Names): void {
  const words = [name, alias, alternative].map((text) => Buffer.from(text as string).toString('hex'));
  const enter = namespace === 'host' ? [] : ['ip', 'netns', 'exec', namespace];
  const [program = '', ...args] = [...enter, 'python3', '-c', maker, ...words];
  expect(sh(program, ...args).trim()).toMatch(/^\[0(, 0)*\]$/);
}

const hostile: readonly Names[] = [
  { name: 'e\u001b[31mx', alias: 'al\u001b]0;title\u0007\nfake line', alternative: 'alt\u001b[2J' },
  { name: 'q"\\;\'x#' },
  { name: '$(x)`y`' },
  { name: '-x', alternative: '--force' },
  { name: '\u001ehead' },
  { name: 'c1\u009b31m' },
  { name: '\u202ertl\u200b' },
  { name: Buffer.from([0x62, 0xff, 0xfe]) },
  { name: Buffer.from([0x62, 0xff, 0xfd]) },
];
const raw = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

function expectNothingRaw(...texts: readonly string[]): void {
  for (const text of texts) expect(text.replaceAll('\n', '')).not.toMatch(raw);
}

test("control characters in a stranger's names reach no terminal and stop no command", async () => {
  sh('ip', 'netns', 'add', 'theirs\u001b[31m\nx');
  const places = ['host', 'theirs\u001b[31m\nx'];
  for (const place of places) for (const names of hostile) makeBridge(place, names);
  const calls = [
    ['plan', lab()],
    ['apply', lab()],
    ['plan', lab()],
    ['status'],
    ['status', lab()],
    ['inspect'],
    ['inspect', 'lab'],
    ['check', lab()],
    ['ports'],
    ['explain', 'a', 'b'],
    ['doctor'],
    ['destroy', 'lab'],
  ];
  for (const argv of calls) {
    const { stdout, stderr } = await expectCode(0, ...argv);
    expectNothingRaw(stdout, stderr);
  }
  const { stdout } = await expectCode(0, 'inspect');
  expect(stdout).toContain('e\\u001b[31mx');
  expect(stdout).toContain('namespace theirs\\u001b[31m\\u000ax\n');
  const json = await expectCode(0, 'inspect', '--json');
  expectNothingRaw(json.stdout);
  const { namespaces } = JSON.parse(json.stdout) as {
    namespaces: { name: string; interfaces: { name: string; alias: string | null }[] }[];
  };
  for (const place of places) {
    const found = namespaces.find(({ name }) => name === place)?.interfaces ?? [];
    for (const { name, alias } of hostile)
      if (typeof name === 'string')
        expect(found.find((link) => link.name === name)?.alias).toBe(alias ?? null);
    expect(found.filter(({ name }) => name === 'b\ufffd\ufffd')).toHaveLength(2);
  }
  const { stderr } = await expectCode(1, 'exec', 'nowhere', '--', 'true');
  expectNothingRaw(stderr);
  sh('ip', 'netns', 'del', 'theirs\u001b[31m\nx');
  const bridges = parseToolJson(ip('host', '-j', 'link', 'show', 'type', 'bridge')) as { ifindex: number }[];
  for (const { ifindex } of bridges) sh('python3', '-c', remover, String(ifindex));
});

const remover = `
import socket, struct, sys
s = socket.socket(16, 3, 0)
s.send(struct.pack('IHHIIBxHiII', 32, 17, 5, 1, 0, 0, 0, int(sys.argv[1]), 0, 0))
s.recv(4096)
`;

test("the comment of a stranger's rule in the way of a port is made visible", async () => {
  const file = folder.write(
    'publish.yaml',
    'name: pub\nnamespaces: { web: {} }\nnetworks: { n: { subnet: 10.5.0.0/24, members: { web: { publish: ["8080:80"] } } } }\n',
  );
  sh('nft', 'add table inet other; add chain inet other pre { type nat hook prerouting priority -100; }');
  sh('nft', 'add rule inet other pre tcp dport 8080 redirect to :81 comment "a\u001b[31m\u202e"');
  const { stdout, stderr } = await expectCode(1, 'apply', file);
  expect(stderr).toContain('8080');
  expectNothingRaw(stdout, stderr);
  sh('nft', 'delete table inet other');
});

/** A bridge with an alternative name, where the lab wants that name. */
function withAlternative(namespace: string, name: string, alternative: string): void {
  ip(namespace, 'link', 'add', name, 'type', 'bridge');
  ip(namespace, 'link', 'property', 'add', 'dev', name, 'altname', alternative);
}

test('a declared name that is an alternative name of another interface is a conflict', async () => {
  const long = 'a-name-that-is-too-long';
  const cases = [
    ['br0', 'bridges: { br0: {} }'],
    ['a-eth0', 'bridges: { br1: { ports: [a:eth0] } }'],
    ['to-a', 'links: [[host:to-a, a:eth0]]'],
    [long, `bridges: { ${long}: {} }`],
    [kernelName(long), `bridges: { ${long}: {} }`],
  ] as const;
  for (const [name, text] of cases) {
    withAlternative('host', 'theirs', name);
    const before = dump();
    const file = folder.write('names.yaml', `name: names\nnamespaces: [a]\n${text}\n`);
    for (const command of ['plan', 'apply']) {
      const { stderr } = await expectCode(1, command, file);
      expect(stderr).toContain(`${name}`);
      expect(stderr).toContain('is already an alternative name of theirs, which does not belong to this lab');
      expect(stderr).toContain(`ip link property del dev theirs altname ${name}`);
    }
    expect(dump()).toBe(before);
    ip('host', 'link', 'del', 'theirs');
    await expectCode(0, 'apply', file);
    await expectCode(0, 'destroy', file);
  }
});

test("the same inside of a lab's namespace, for a renamed interface, and for an adopted one", async () => {
  const file = (text: string) => folder.write('inner.yaml', `name: inner\nnamespaces: [a, b]\n${text}\n`);
  await expectCode(0, 'apply', file('links: [[a:eth0, b:eth0]]'));
  withAlternative('a', 'theirs', 'eth1');
  const added = await expectCode(1, 'apply', file('links: [[a:eth0, b:eth0], [a:eth1, b:eth1]]'));
  expect(added.stderr).toContain('eth1 in a is already an alternative name of theirs');
  expect(added.stderr).toContain('ip -n a link property del dev theirs altname eth1');
  const renamed = 'links: [{ endpoints: { a:eth1: { was: eth0 }, b:eth0: {} } }]';
  const { stderr } = await expectCode(1, 'apply', file(renamed));
  expect(stderr).toContain('eth1 in a is already an alternative name of theirs');
  ip('a', 'link', 'del', 'theirs');
  // Also one of its own: the kernel does not make an alternative name the name.
  ip('a', 'link', 'property', 'add', 'dev', 'eth0', 'altname', 'eth1');
  const own = await expectCode(1, 'apply', file(renamed));
  expect(own.stderr).toContain('eth1 in a is already an alternative name of eth0  #');
  ip('a', 'link', 'property', 'del', 'dev', 'eth0', 'altname', 'eth1');
  await expectCode(0, 'apply', file(renamed));
  // What is about to be removed is in nobody's way.
  ip('a', 'link', 'property', 'add', 'dev', 'eth1', 'altname', 'eth9');
  await expectCode(0, 'apply', file('links: [[a:eth9, b:eth9]]'));
  await expectCode(0, 'destroy', 'inner');
  ip('host', 'link', 'add', 'card', 'type', 'veth', 'peer', 'name', 'card-far');
  ip('host', 'link', 'property', 'add', 'dev', 'card', 'altname', 'wan');
  const adopted = await expectCode(
    1,
    'apply',
    folder.write('adopt.yaml', 'name: inner\nnamespaces:\n  a: { interfaces: { wan: { adopt: card } } }\n'),
  );
  expect(adopted.stderr).toContain('wan in a is already an alternative name of card');
  ip('host', 'link', 'del', 'card');
});
