import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { addressesSettle, expectCode, ip, namespaces, sh, topoweave, workFolder } from '../support/host.ts';

// What a published port must do, a test for each line of the table in docs/publishing.md, with real connections.
const folder = workFolder();
const lab = (publish: readonly string[], more = '') => `name: pub
namespaces:
  gw:
    forwarding: true
    sysctls: { net.ipv4.conf.wan.route_localnet: 1 }
    nat: { publish: ${JSON.stringify(publish)} }
  web: { expose: [80, "53/udp"], routes: [{ to: default, via: 10.0.0.1 }, { to: default, via: "2001:db8::1" }] }
  db: { routes: [{ to: default, via: 10.0.0.1 }, { to: default, via: "2001:db8::1" }] }
  outside: { routes: [{ to: 10.0.0.0/24, via: 192.0.2.1 }] }
  rogue:
    interfaces: { lo: { state: down } }
    sysctls: { net.ipv4.conf.eth0.route_localnet: 1 }
    routes: [{ to: 127.0.0.0/8, via: 192.0.2.1 }]
bridges:
  lan:
    namespace: gw
    addresses: [10.0.0.1/24, "2001:db8::1/64"]
    ports: { "web:eth0": [10.0.0.2/24, "2001:db8::2/64"], "db:eth0": [10.0.0.3/24, "2001:db8::3/64"] }
  wan:
    namespace: gw
    addresses: [192.0.2.1/24, 192.0.2.11/24, "2001:db8:1::1/64"]
    ports: { "outside:eth0": [192.0.2.2/24, "2001:db8:1::2/64"], "rogue:eth0": 192.0.2.3/24 }
${more}`;

const usual = [
  '8080:web:80',
  '192.0.2.11:8081:web:80',
  '127.0.0.1:8082:web:80',
  '5353:web:53/udp',
  '[::]:8080:web:80',
  '9000:web:9000/sctp',
];

const children: ChildProcess[] = [];

/** Answers each client with its name and the address that it sees. */
async function serve(
  namespace: string,
  {
    name = namespace,
    port,
    host = '::',
    udp = false,
  }: { name?: string; port: number; host?: string; udp?: boolean },
): Promise<ChildProcess> {
  const tcpServer = `require('net').createServer((s) => { s.on('error', () => {}); s.end(${JSON.stringify(name)} + ' ' + s.remoteAddress); }).listen(${port}, ${JSON.stringify(host)}, () => console.log('ready'))`;
  const udpServer = `const s = require('dgram').createSocket(${JSON.stringify(host.includes(':') ? 'udp6' : 'udp4')}); s.on('message', (_, r) => s.send(${JSON.stringify(name)} + ' ' + r.address, r.port, r.address)); s.bind(${port}, ${JSON.stringify(host)}, () => console.log('ready'))`;
  const child = spawn('ip', words(namespace, udp ? udpServer : tcpServer), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

function words(namespace: string, script: string): string[] {
  return ['netns', 'exec', namespace, process.execPath, '-e', script];
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** How long a client waits for an answer that must come, on a busy machine; and for one that must not. */
const PATIENCE_MS = 15_000;
const NO_ANSWER_MS = 1_500;

/** What the server answered, or why there was no answer. */
function ask(namespace: string, host: string, port: number, patience = PATIENCE_MS): string {
  const script = `const s = require('net').connect(${port}, ${JSON.stringify(host)}); let t = ''; s.on('data', (d) => t += d); s.on('end', () => { console.log(t); process.exit(); }); s.on('error', (e) => { console.log(e.code); process.exit(); }); setTimeout(() => { console.log('nothing'); process.exit(); }, ${patience})`;
  return sh('ip', ...words(namespace, script))
    .trim()
    .replace('::ffff:', '');
}

/** One client of UDP with a fixed port, as a long-lived peer has it; it sends until there is an answer. */
function askUdp(
  namespace: string,
  host: string,
  { port, from, patience = PATIENCE_MS }: { port: number; from: number; patience?: number },
): string {
  const script = `const s = require('dgram').createSocket('udp4'); s.on('message', (d) => { console.log(String(d)); process.exit(); }); s.on('error', (e) => { console.log(e.code); process.exit(); }); const send = () => s.send('?', ${port}, ${JSON.stringify(host)}); s.bind(${from}, () => { send(); setInterval(send, 500); }); setTimeout(() => { console.log('nothing'); process.exit(); }, ${patience})`;
  return sh('ip', ...words(namespace, script)).trim();
}

function nft(...args: string[]): string {
  return sh('ip', 'netns', 'exec', 'gw', 'nft', ...args);
}

function write(publish: readonly string[], name = 'lab.yaml'): string {
  return folder.write(name, lab(publish));
}

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await topoweave('destroy', '--all');
  folder.remove();
});

describe('who reaches a published port', () => {
  beforeAll(async () => {
    await expectCode(0, 'apply', write(usual));
    await serve('web', { port: 80 });
    await serve('web', { port: 53, udp: true });
    await serve('db', { port: 8080 });
    addressesSettle(namespaces());
  });

  test('a client outside, which the target sees by its own address', () => {
    expect(ask('outside', '192.0.2.1', 8080)).toBe('web 192.0.2.2');
    expect(ask('outside', '192.0.2.11', 8080)).toBe('web 192.0.2.2');
    expect(ask('outside', '2001:db8:1::1', 8080)).toBe('web 2001:db8:1::2');
    expect(askUdp('outside', '192.0.2.1', { port: 5353, from: 4000 })).toBe('web ::ffff:192.0.2.2');
  });

  test('the namespace itself, on its own addresses', () => {
    expect(ask('gw', '192.0.2.1', 8080)).toMatch(/^web /);
    expect(ask('gw', '10.0.0.1', 8080)).toMatch(/^web /);
    expect(ask('gw', '2001:db8::1', 8080)).toMatch(/^web /);
  });

  test('the namespace itself, on 127.0.0.1', () => {
    expect(ask('gw', '127.0.0.1', 8080)).toBe('web 10.0.0.1');
    expect(ask('gw', '127.0.0.1', 8082)).toBe('web 10.0.0.1');
    expect(askUdp('gw', '127.0.0.1', { port: 5353, from: 4001 })).toBe('web ::ffff:10.0.0.1');
  });

  test('not on ::1, where the kernel leads nothing elsewhere', () => {
    expect(ask('gw', '::1', 8080)).toBe('ECONNREFUSED');
  });

  test('the target itself', () => {
    expect(ask('web', '192.0.2.1', 8080)).toBe('web 10.0.0.1');
    expect(ask('web', '10.0.0.1', 8080)).toBe('web 10.0.0.1');
    expect(ask('web', '2001:db8::1', 8080)).toMatch(/^web 2001:db8::1/);
    expect(ip('gw', '-d', 'link', 'show', 'web-eth0')).toContain('hairpin on');
  });

  test('a neighbour of the target, whose answers come back by the same way', () => {
    expect(ask('db', '192.0.2.1', 8080)).toBe('web 10.0.0.1');
    expect(ask('db', '2001:db8:1::1', 8080)).toMatch(/^web 2001:db8::1/);
  });

  test('at one address only: no other one leads there', () => {
    expect(ask('outside', '192.0.2.11', 8081)).toMatch(/^web /);
    expect(ask('outside', '192.0.2.1', 8081)).toBe('ECONNREFUSED');
    expect(ask('gw', '127.0.0.1', 8081)).toBe('ECONNREFUSED');
  });

  test('at every address: packets that pass through are left alone', () => {
    expect(ask('outside', '10.0.0.3', 8080)).toBe('db 192.0.2.2');
  });

  test('bound to 127.0.0.1: closed for others, also where route_localnet is on', async () => {
    expect(ask('outside', '192.0.2.1', 8082)).toBe('ECONNREFUSED');
    expect(ask('web', '10.0.0.1', 8082)).toBe('ECONNREFUSED');
    expect(ip('gw', 'netconf', 'show', 'dev', 'wan')).toBeTruthy();
    await serve('gw', { port: 7777, host: '127.0.0.1' });
    for (const port of [8080, 8082, 7777])
      expect(ask('rogue', '127.0.0.1', port, NO_ANSWER_MS)).toBe('nothing');
    expect(ask('rogue', '192.0.2.1', 8080)).toBe('web 192.0.2.3');
  });

  test('no bit of the mark is used', () => {
    expect(nft('list', 'table', 'inet', 'topoweave-pub')).not.toMatch(/\bmark\b/);
  });

  test('SCTP is in the same map, with a word of what it needs', async () => {
    expect(nft('list', 'map', 'inet', 'topoweave-pub', 'published4')).toContain(
      'sctp . 9000 : 10.0.0.2 . 9000',
    );
    const { stderr } = await expectCode(0, 'validate', write(usual));
    expect(stderr).toContain('publish-sctp');
  });

  test('::1 in the file is told to be impossible', async () => {
    const { stderr } = await expectCode(0, 'validate', write(['[::1]:8080:web:80'], 'loopback.yaml'));
    expect(stderr).toContain('the kernel leads no packet for ::1 to another namespace');
  });

  test('what is listed is what the kernel has', async () => {
    const { stdout } = await expectCode(0, 'ports', 'pub');
    expect(stdout).toMatchInlineSnapshot(`
      "NAMESPACE  PUBLISHED            LEADS TO          OF
      gw         0.0.0.0:9000/sctp    10.0.0.2:9000     web
      gw         0.0.0.0:8080/tcp     10.0.0.2:80       web
      gw         127.0.0.1:8082/tcp   10.0.0.2:80       web
      gw         192.0.2.11:8081/tcp  10.0.0.2:80       web
      gw         0.0.0.0:5353/udp     10.0.0.2:53       web
      gw         [::]:8080/tcp        [2001:db8::2]:80  web
      "
    `);
    expect((await expectCode(0, 'ports', 'pub', 'web', '53/udp')).stdout).toBe('0.0.0.0:5353\n');
    expect((await expectCode(0, 'ports', 'pub', 'web', '80')).stdout).toBe(
      '0.0.0.0:8080\n127.0.0.1:8082\n192.0.2.11:8081\n[::]:8080\n',
    );
    const { ports } = JSON.parse((await expectCode(0, 'ports', 'pub', '--json')).stdout) as {
      ports: object[];
    };
    expect(ports).toContainEqual({
      lab: 'pub',
      namespace: 'gw',
      protocol: 'udp',
      address: '0.0.0.0',
      port: 5353,
      lastPort: 5353,
      to: '10.0.0.2',
      toPort: 53,
      lastToPort: 53,
      target: 'web',
    });
    expect((await topoweave('ports', 'pub', 'db')).stderr).toContain('no port of db is published');
    expect((await topoweave('ports', 'nosuch')).stderr).toContain("there is no lab 'nosuch'");
  });
});

describe('changes', () => {
  afterEach(async () => {
    for (const child of children.splice(0)) await stop(child);
  });

  test('a plan shows the entries that change, and only those', async () => {
    await expectCode(0, 'apply', write(['8080:web:80', '8081:web:81', '8082:web:82']));
    const { stdout } = await expectCode(0, 'plan', write(['8080:web:80', '8081:db:81', '8083:web:83']));
    expect(stdout).toMatchInlineSnapshot(`
      "namespace gw
        ~ veth db-eth0  # lab.yaml:18
              bridge-port: (none) -> hairpin on
        ~ publish 8081 -> 10.0.0.3:81/tcp  # lab.yaml:6
              to: 10.0.0.2:81 -> 10.0.0.3:81
              disrupts: connections to the earlier target break
        - publish 8082 -> 10.0.0.2:82/tcp  # not in the file
              disrupts: connections that it translates break
        + publish 8083 -> 10.0.0.2:83/tcp  # lab.yaml:6

      Plan: 1 to add, 2 to change, 1 to destroy.
      "
    `);
    await expectCode(0, 'apply', write(['8080:web:80', '8081:db:81', '8083:web:83']));
    await expectCode(
      0,
      'plan',
      '--detailed-exitcode',
      folder.write('lab.yaml', lab(['8080:web:80', '8081:db:81', '8083:web:83'])),
    );
  });

  test('what somebody takes out of the table is put back', async () => {
    const file = write(['8080:web:80', '9000-9009:web', '[::]:8080:web:80']);
    await expectCode(0, 'apply', file);
    const table = nft('list', 'table', 'inet', 'topoweave-pub');
    const damage: readonly (readonly string[])[] = [
      ['delete', 'element', 'inet', 'topoweave-pub', 'published4', '{ tcp . 8080 }'],
      ['delete', 'element', 'inet', 'topoweave-pub', 'published4', '{ tcp . 9004 }'],
      ['add', 'element', 'inet', 'topoweave-pub', 'published4', '{ tcp . 4444 : 10.0.0.9 . 44 }'],
      ['delete', 'element', 'inet', 'topoweave-pub', 'hairpin4', '{ 10.0.0.0/24 . 10.0.0.2 }'],
      ['delete', 'element', 'inet', 'topoweave-pub', 'targets4', '{ 10.0.0.2 }'],
      ['flush', 'map', 'inet', 'topoweave-pub', 'published6'],
      ['flush', 'chain', 'inet', 'topoweave-pub', 'prerouting'],
      ['delete', 'table', 'inet', 'topoweave-pub'],
    ];
    for (const args of damage) {
      nft(...args);
      await expectCode(2, 'plan', '--detailed-exitcode', file);
      await expectCode(0, 'apply', file);
      expect(nft('list', 'table', 'inet', 'topoweave-pub'), args.join(' ')).toBe(table);
      await expectCode(0, 'plan', '--detailed-exitcode', file);
    }
  });

  test('a client of UDP that goes on sending comes to the new target at once', async () => {
    await expectCode(0, 'apply', write(['5353:web:53/udp', '5354:web:53/udp']));
    await serve('web', { port: 53, udp: true });
    await serve('db', { port: 53, udp: true });
    expect(askUdp('outside', '192.0.2.1', { port: 5353, from: 4100 })).toMatch(/^web /);
    expect(askUdp('outside', '192.0.2.1', { port: 5354, from: 4101 })).toMatch(/^web /);
    await expectCode(0, 'apply', write(['5353:db:53/udp', '5354:web:53/udp']));
    expect(askUdp('outside', '192.0.2.1', { port: 5353, from: 4100 })).toMatch(/^db /);
    expect(askUdp('outside', '192.0.2.1', { port: 5354, from: 4101 })).toMatch(/^web /);
  });

  test('a client of UDP that sent before the port was published is led on, too', async () => {
    await expectCode(0, 'apply', write(['5354:web:53/udp']));
    await serve('web', { port: 53, udp: true });
    await serve('gw', { port: 5353, udp: true });
    const own = children.at(-1) as ChildProcess;
    expect(askUdp('outside', '192.0.2.1', { port: 5353, from: 4200 })).toMatch(/^gw /);
    await stop(own);
    await expectCode(0, 'apply', write(['5353:web:53/udp', '5354:web:53/udp']));
    expect(askUdp('outside', '192.0.2.1', { port: 5353, from: 4200 })).toMatch(/^web /);
  });

  test('a port that is published no more stops for those who use it; other connections stay', async () => {
    await expectCode(0, 'apply', write(['5353:web:53/udp', '5354:web:53/udp']));
    await serve('web', { port: 53, udp: true });
    expect(askUdp('outside', '192.0.2.1', { port: 5353, from: 4300 })).toMatch(/^web /);
    expect(askUdp('outside', '192.0.2.1', { port: 5354, from: 4301 })).toMatch(/^web /);
    expect(askUdp('outside', '10.0.0.2', { port: 53, from: 4302 })).toMatch(/^web /);
    const known = () => connections().filter((port) => port >= 4300 && port < 4310);
    expect(known()).toEqual([4300, 4301, 4302]);
    await expectCode(0, 'apply', write(['5354:web:53/udp']));
    expect(known()).toEqual([4301, 4302]);
    expect(askUdp('outside', '192.0.2.1', { port: 5353, from: 4300, patience: NO_ANSWER_MS })).toBe(
      'nothing',
    );
    await expectCode(0, 'destroy', '--kill', 'pub');
  });
});

/** The source ports of the connections that gw knows. */
function connections(): number[] {
  const text = sh('ip', 'netns', 'exec', 'gw', 'cat', '/proc/self/net/nf_conntrack');
  return text
    .split('\n')
    .flatMap((line) => /sport=(\d+)/.exec(line)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

describe('a port that something else has', () => {
  afterEach(async () => {
    for (const child of children.splice(0)) await stop(child);
  });

  async function expectTaken(publish: readonly string[], message: RegExp): Promise<void> {
    const before = nft('list', 'ruleset');
    const file = write(publish);
    for (const command of ['plan', 'apply']) {
      const { stderr, stdout } = await expectCode(1, command, file);
      expect(stderr + stdout).toMatch(message);
    }
    expect(nft('list', 'ruleset')).toBe(before);
  }

  test('a process that listens is named, and nothing is touched', async () => {
    await expectCode(0, 'apply', write(['8080:web:80']));
    // `ip netns exec` becomes the program that it starts.
    const { pid } = await serve('gw', { port: 8081 });
    await expectTaken(
      ['8080:web:80', '8081:web:80'],
      new RegExp(
        `port 0\\.0\\.0\\.0:8081/tcp of gw is taken: \\S+ \\(process ${pid}\\) listens on \\[::\\]:8081`,
      ),
    );
    await expectTaken(['8080:web:80', '192.0.2.1:8081:web:80'], /port 192\.0\.2\.1:8081\/tcp of gw is taken/);
    // Another protocol is another port.
    await expectCode(0, 'apply', write(['8080:web:80', '8081:web:80/udp']));
  });

  test('one that listens at another address is no obstacle', async () => {
    await expectCode(0, 'apply', write(['8080:web:80']));
    await serve('gw', { port: 8081, host: '127.0.0.1' });
    await expectCode(0, 'plan', write(['8080:web:80', '192.0.2.1:8081:web:80']));
    await expectTaken(['8080:web:80', '8081:web:80'], /listens on 127\.0\.0\.1:8081/);
  });

  test('one that comes later, when the port is published, is no drift', async () => {
    const file = write(['8080:web:80']);
    await expectCode(0, 'apply', file);
    await serve('gw', { port: 8080 });
    await expectCode(0, 'plan', '--detailed-exitcode', file);
  });

  test('a rule of somebody else is shown', async () => {
    await expectCode(0, 'apply', write(['8080:web:80']));
    const foreign = `table ip nat {
  chain DOCKER {
    type nat hook prerouting priority dstnat
    iifname != "docker0" tcp dport 8081 counter dnat to 172.17.0.2:80
    ip daddr 192.0.2.11 udp dport { 53, 5000-5010 } redirect to :1053
  }
}
`;
    nft('-f', folder.write('foreign.nft', foreign));
    nft('add table ip6 other');
    await expectTaken(
      ['8080:web:80', '8081:web:80'],
      /a rule of nftables leads it on \(table ip nat, chain DOCKER\): iifname != "docker0" tcp dport 8081 dnat to 172\.17\.0\.2:80/,
    );
    await expectTaken(['8080:web:80', '5005:web:80/udp'], /redirect to :1053/);
    await expectCode(0, 'plan', write(['8080:web:80', '192.0.2.1:5005:web:80/udp', '[::]:8081:web:80']));
    nft('delete', 'table', 'ip', 'nat');
    nft('delete', 'table', 'ip6', 'other');
  });

  test('another lab that publishes the same port of the host is named', async () => {
    const host = (name: string, subnet: number, publish: string) =>
      `name: ${name}\nnamespaces: { host: { forwarding: [ipv4], nat: { publish: ["${publish}"] } }, ${name}-web: {} }\nbridges: { br-${name}: { addresses: 10.${subnet}.0.1/24, ports: { "${name}-web:eth0": 10.${subnet}.0.2/24 } } }\n`;
    const first = folder.write('one.yaml', host('one', 61, '127.0.0.1:8080:one-web:80'));
    await expectCode(0, 'apply', first);
    const ruleset = sh('nft', 'list', 'ruleset');
    const second = folder.write('two.yaml', host('two', 62, '8080:two-web:80'));
    const { stderr } = await expectCode(1, 'apply', second);
    expect(stderr).toContain("port 0.0.0.0:8080/tcp of host is taken: the lab 'one' publishes it");
    expect(stderr).toContain('topoweave destroy one');
    expect(sh('nft', 'list', 'ruleset')).toBe(ruleset);
    await expectCode(0, 'apply', folder.write('two.yaml', host('two', 62, '10.62.0.1:8080:two-web:80')));
    expect((await expectCode(0, 'ports')).stdout).toMatch(
      /^LAB .*\none +host +127\.0\.0\.1:8080\/tcp +10\.61\.0\.2:80 +one-web\n(pub .*\n)*two +host +10\.62\.0\.1:8080/,
    );
    await expectCode(0, 'destroy', '--kill', 'two');
    await expectCode(0, 'destroy', '--kill', 'one');
  });
});

describe('a port that is chosen', () => {
  afterEach(async () => {
    for (const child of children.splice(0)) await stop(child);
  });

  const chosen = async () =>
    Number(/:(\d+)\n/.exec((await expectCode(0, 'ports', 'pub', 'web', '80')).stdout)?.[1]);

  test('is one of the live range, stays with a second apply, and comes back after destroy', async () => {
    await topoweave('destroy', 'pub');
    const file = write([':web:80', '127.0.0.1::db:80']);
    const planned = await expectCode(0, 'plan', file);
    await expectCode(0, 'apply', file);
    const port = await chosen();
    expect(planned.stdout).toContain(`publish ${port} -> 10.0.0.2:80/tcp`);
    expect(port).toBeGreaterThanOrEqual(32768);
    expect(port).toBeLessThanOrEqual(60999);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    // One more entry does not move it.
    await expectCode(0, 'apply', write([':db:81', ':web:80', '127.0.0.1::db:80']));
    expect(await chosen()).toBe(port);
    await serve('web', { port: 80 });
    expect(ask('outside', '192.0.2.1', port)).toBe('web 192.0.2.2');
    await expectCode(0, 'destroy', '--kill', 'pub');
    await expectCode(0, 'apply', file);
    expect(await chosen()).toBe(port);
  });

  test('is one for each port that the target exposes', async () => {
    await expectCode(0, 'apply', write([':web', '127.0.0.1::web/udp']));
    const { ports } = JSON.parse((await expectCode(0, 'ports', 'pub', '--json')).stdout) as {
      ports: { protocol: string; address: string; port: number; toPort: number }[];
    };
    expect(ports.map(({ protocol, address, toPort }) => [protocol, address, toPort])).toEqual([
      ['tcp', '0.0.0.0', 80],
      ['udp', '0.0.0.0', 53],
      ['udp', '127.0.0.1', 53],
    ]);
    expect(new Set(ports.map(({ protocol, port }) => `${protocol} ${port}`)).size).toBe(3);
    const record = JSON.parse(readFileSync('/run/topoweave/pub.json', 'utf8')) as { ports: object };
    expect(Object.values(record.ports).sort()).toEqual(ports.map(({ port }) => port).sort());
    await serve('web', { port: 53, udp: true });
    const [, any, own] = ports.map(({ port }) => port);
    expect(askUdp('outside', '192.0.2.1', { port: Number(any), from: 4400 })).toMatch(/^web /);
    expect(askUdp('gw', '127.0.0.1', { port: Number(own), from: 4401 })).toMatch(/^web /);
    await expectCode(0, 'destroy', '--kill', 'pub');
  });

  test('is not one that is taken or reserved; one that was chosen stays when the range changes', async () => {
    const file = write([':web:80']);
    await expectCode(0, 'apply', write([], 'none.yaml'));
    const gw = (name: string, value: string) =>
      sh('ip', 'netns', 'exec', 'gw', 'sysctl', '-q', '-w', `net.ipv4.${name}=${value}`);
    gw('ip_local_port_range', '40000 40004');
    gw('ip_local_reserved_ports', '40001-40002');
    await serve('gw', { port: 40000 });
    await serve('gw', { port: 40004, host: '127.0.0.1' });
    await expectCode(0, 'apply', file);
    expect(await chosen()).toBe(40003);
    const { stderr } = await expectCode(1, 'apply', write([':web:80', ':db:80'], 'two.yaml'));
    expect(stderr).toContain('gw has no port left that could be chosen for 10.0.0.3:80/tcp');
    gw('ip_local_port_range', '50000 50004');
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    expect(await chosen()).toBe(40003);
    // Losing the table does not lose the number; somebody who took it meanwhile does.
    nft('flush', 'ruleset');
    await expectCode(0, 'apply', file);
    expect(await chosen()).toBe(40003);
    nft('flush', 'ruleset');
    await serve('gw', { port: 40003 });
    await expectCode(0, 'apply', file);
    expect(await chosen()).toBeGreaterThanOrEqual(50000);
    await expectCode(0, 'destroy', '--kill', 'pub');
  });
});

test('a rule of the own firewall about a port is not in the way of publishing it later', async () => {
  const file = (nat: string) =>
    folder.write(
      'later.yaml',
      `name: later
namespaces:
  gw9:
    firewall: { forward: { rules: [{ published: true, protocol: tcp, port: 8080, action: accept }] } }
    nat: ${nat}
  web9: {}
links: [{ endpoints: { gw9:eth0: 10.9.0.1/24, web9:eth0: 10.9.0.2/24 } }]
`,
    );
  await expectCode(0, 'apply', file('{}'));
  await expectCode(0, 'apply', file('{ publish: ["8080:web9"] }'));
  await expectCode(0, 'destroy', '--kill', 'later');
});

test('ports of a network, with all that a member exposes', async () => {
  await topoweave('destroy', 'pub');
  await expectCode(0, 'apply', 'topologies/network-publish.yaml');
  const { ports } = JSON.parse((await expectCode(0, 'ports', 'network-publish', '--json')).stdout) as {
    ports: { protocol: string; address: string; port: number; toPort: number; target: string }[];
  };
  const led = (target: string) =>
    ports
      .filter((entry) => entry.target === target)
      .map(({ address, toPort, protocol }) => `${address} ${toPort}/${protocol}`)
      .sort();
  expect(led('web')).toEqual([
    '0.0.0.0 80/tcp',
    '192.0.2.1 53/udp',
    '192.0.2.1 53/udp',
    '192.0.2.1 80/tcp',
    '192.0.2.1 80/tcp',
    '192.0.2.1 8000/tcp',
    '192.0.2.1 8001/tcp',
  ]);
  expect(led('db')).toEqual(['127.0.0.1 5432/tcp', '127.0.0.1 5433/tcp']);
  expect(led('cache')).toEqual(['192.0.2.1 6379/tcp']);
  const chosen = ports.find(({ toPort }) => toPort === 6379)?.port ?? 0;
  await serve('cache', { port: 6379 });
  expect(ask('world', '192.0.2.1', chosen)).toBe('cache 192.0.2.2');
  await expectCode(0, 'destroy', '--kill', 'network-publish');
});

test('what others have in nftables is the same before, during and after', async () => {
  const others = `table ip nat {
  chain DOCKER {
    type nat hook prerouting priority dstnat
    tcp dport 9999 counter dnat to 172.17.0.2:80
  }
}
table inet filter {
  set allowed { type ipv4_addr; elements = { 10.0.0.1 }; }
  chain forward {
    type filter hook forward priority 0
    ip saddr @allowed counter accept
  }
}
table bridge other {
  chain c { type filter hook forward priority 0; }
}
`;
  sh('nft', '-f', folder.write('others.nft', others));
  const foreign = () =>
    sh('nft', 'list', 'ruleset').replace(/table inet topoweave-\S+ \{\n[\s\S]*?\n\}\n/g, '');
  const before = sh('nft', 'list', 'ruleset');
  const file = (publish: string) =>
    folder.write(
      'host.yaml',
      `name: pubhost\nnamespaces: { host: { forwarding: [ipv4], nat: { publish: [${publish}], masquerade: [{ from: 10.63.0.0/24, out: "!br63" }] } }, h63: {} }\nbridges: { br63: { addresses: 10.63.0.1/24, ports: { "h63:eth0": 10.63.0.2/24 } } }\n`,
    );
  for (const publish of ['"8080:h63:80"', '"8080:h63:80", "9000-9100:h63", ":h63:81"', '"8081:h63:80"']) {
    await expectCode(0, 'apply', file(publish));
    expect(foreign()).toBe(before);
    expect(sh('nft', 'list', 'ruleset')).toContain('table inet topoweave-pubhost');
  }
  await expectCode(0, 'destroy', '--kill', 'pubhost');
  expect(sh('nft', 'list', 'ruleset')).toBe(before);
  for (const table of ['ip nat', 'inet filter', 'bridge other'])
    sh('nft', 'delete', 'table', ...table.split(' '));
});

test('5,000 published ports are one transaction, read back whole, and a change of one is one step', async () => {
  const many = (target: string) =>
    Array.from({ length: 5000 }, (_, at) => {
      const to = at === 0 ? 'db' : at === 4321 ? target : 'web';
      return `${10_000 + at}:${to}:${20_000 + at}`;
    });
  const { stderr } = await expectCode(0, 'apply', write(many('web')));
  expect(stderr).not.toContain('error');
  expect(nft('list', 'map', 'inet', 'topoweave-pub', 'published4').match(/tcp \. /g)).toHaveLength(5000);
  await expectCode(0, 'plan', '--detailed-exitcode', write(many('web')));
  const { stdout } = await expectCode(0, 'plan', write(many('db')));
  expect(stdout).toContain('~ publish 14321 -> 10.0.0.3:24321/tcp');
  expect(stdout).toContain('Plan: 0 to add, 1 to change, 0 to destroy.');
  await expectCode(0, 'apply', write(many('db')));
  await expectCode(0, 'plan', '--detailed-exitcode', write(many('db')));
  await expectCode(0, 'destroy', '--kill', 'pub');
});

test('a port that is chosen has one number for both families', async () => {
  const file = folder.write(
    'both.yaml',
    `name: both
namespaces: [web, world]
networks:
  lan: { subnet: [10.7.0.0/24, "fd07::/64"], members: { web: { publish: ["80"] } } }
links: [{ endpoints: { host:up: [192.0.2.1/24, "2001:db8::1/64"], world:eth0: [192.0.2.2/24, "2001:db8::2/64"] } }]
`,
  );
  await expectCode(0, 'apply', file);
  const { stdout } = await expectCode(0, 'ports', 'both', '--json');
  const numbers = [...stdout.matchAll(/"port":\s*"?(\d+)/g)].map(([, number]) => number);
  expect(numbers).toHaveLength(2);
  expect(new Set(numbers).size).toBe(1);
  await expectCode(0, 'plan', '--detailed-exitcode', file);
  await expectCode(0, 'destroy', '--kill', file);
});
