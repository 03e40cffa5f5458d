import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { generate } from '../../../src/generate/generate.ts';
import { shapes } from '../../../src/generate/shapes.ts';
import { switchedShapes } from '../../../src/generate/switched.ts';
import { loadText } from '../../../src/loader/load.ts';
import { longForm } from '../../../src/loader/long-form.ts';
import { stringifyYaml } from '../../../src/loader/stringify.ts';
import type { Topology } from '../../../src/topology/model.ts';
import { layers } from './layers-file.ts';
import { topologyFile } from './topology-file.ts';

const examples = readdirSync('topologies').filter((name) => name.endsWith('.yaml'));

test.each(examples)('the long form of %s loads to an equal topology', async (name) => {
  await expectSameAgain(readFileSync(`topologies/${name}`, 'utf8'), `topologies/${name}`);
});

test('so does that of interfaces with earlier names', async () => {
  await expectSameAgain(`name: lab
namespaces: { a: { interfaces: { d1: { type: dummy, was: d0 } } }, b: {} }
links: [{ endpoints: { a:eth1: { was: eth0 }, b:eth0: {} } }]
bridges: { br1: { namespace: a, was: br0, ports: { b:eth1: { was: eth9 } } } }
tunnels: { vx1: { was: vx0, type: vxlan, id: 1, endpoints: { a: {} } } }
`);
});

test('so does that of names and services', async () => {
  await expectSameAgain(`name: lab
defaults: { hosts: true }
vars: { port: 80 }
namespaces:
  a:
    hostname: www.lab.example
    aliases: [web]
    hosts: { printer: [10.9.9.9, "2001:db8::9"], store: b }
    nameservers: { addresses: [10.0.0.2], search: [lab.example], options: ["ndots:1"] }
    services:
      one:
        command: [sh, -c, "echo $\${HOME} {folder}", "\${port}"]
        environment: { A: "$$ and $\${B}" }
        user: nobody
        owner: root
        capabilities: [net_raw, net_admin]
        directory: /tmp
        files: { conf: "a = $\${b}" }
        log: one.txt
        log-limit: 100000
        ready: { tcp: 80, udp: 53, command: "test -e x", within: 0.5s }
        after: [two]
        stop-within: 2m
      two: { command: sleep 9, log-limit: none }
      three: { command: sleep 9, log-limit: 10MiB }
  b: {}
bridges:
  lan: { namespace: b, addresses: 10.0.0.1/24, dns: true, dhcp: { range: 10.0.0.9-10.0.0.19 }, ports: { a:eth0: dhcp4 } }
`);
});

test.each(readdirSync('test/attack/labs').filter((name) => name.endsWith('.yaml')))(
  'so does that of %s, which the attack changes',
  (name) => expectSameAgain(readFileSync(`test/attack/labs/${name}`, 'utf8'), `test/attack/labs/${name}`),
);

test.each(Object.keys(shapes))('so does that of the shape %s', async (shape) => {
  await expectSameAgain(generate({ shape, sizes: {}, isSwitched: false }));
  if (Object.hasOwn(switchedShapes, shape))
    await expectSameAgain(generate({ shape, sizes: {}, isSwitched: true }));
});

test('so does that of members of a bridge that another member makes smaller', async () => {
  await expectSameAgain(`name: lab
namespaces:
  a:
    interfaces:
      small: { type: dummy, mtu: 1300 }
      tap: { type: tap }
      vlan: { type: vlan, id: 5, link: eth0 }
      over: { type: vlan, id: 7, link: br }
  b: {}
  host: { interfaces: { o1: { type: dummy }, o2: { type: dummy, mtu: 1400 } } }
bridges:
  br: { namespace: a, members: [small, tap, vlan, eth1], ports: { b:eth2: {} } }
  ovs: { type: ovs, members: [o1, o2] }
links:
  - { endpoints: { a:eth0: 10.0.0.1/24, b:eth0: 10.0.0.2/24 } }
  - { endpoints: { a:eth1: {}, b:eth1: {} } }
`);
});

test('so does that of random files of bridges, bonds, VLANs and tunnels with an mtu here and there', async () => {
  let valid = 0;
  await fc.assert(
    fc.asyncProperty(layers, async (document) => {
      const { topology } = await loadText('lab.yaml', stringifyYaml(document));
      if (topology === undefined) return;
      valid += 1;
      await expectSameAgain(stringifyYaml(document));
    }),
    { seed: 1, numRuns: 300 },
  );
  // Else it would say nothing.
  expect(valid).toBeGreaterThan(60);
});

test('so does that of any topology', async () => {
  await fc.assert(fc.asyncProperty(topologyFile, (document) => expectSameAgain(stringifyYaml(document))));
});

test('the order of maps in the file does not matter', async () => {
  await fc.assert(
    fc.asyncProperty(topologyFile, async (document) => {
      const forward = await load(stringifyYaml(document));
      const backward = await load(stringifyYaml(reversed(document)));
      expect(withoutPlaces(backward)).toEqual(withoutPlaces(forward));
    }),
  );
});

async function expectSameAgain(text: string, path?: string): Promise<void> {
  const first = await load(text, path);
  const long = stringifyYaml(longForm(first));
  const second = await load(long);
  expect(withoutPlaces(second)).toEqual(withoutPlaces(first));
  expect(stringifyYaml(longForm(second))).toBe(long);
}

async function load(text: string, path = 'lab.yaml'): Promise<Topology> {
  const { topology, diagnostics } = await loadText(path, text);
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  if (topology === undefined) throw new Error('not valid');
  return topology;
}

/** The keys of every map in the opposite order. */
function reversed(value: unknown): object {
  const walk = (inner: unknown): unknown => {
    if (Array.isArray(inner)) return inner.map(walk);
    if (typeof inner !== 'object' || inner === null) return inner;
    return Object.fromEntries(
      Object.entries(inner)
        .reverse()
        .map(([key, entry]) => [key, walk(entry)]),
    );
  };
  return Object(walk(value));
}

function withoutPlaces(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, inner) => (/place$/i.test(key) ? undefined : inner)));
}
