import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadText } from '../../../src/loader/load.ts';
import { longForm } from '../../../src/loader/long-form.ts';
import { stringifyYaml } from '../../../src/loader/stringify.ts';
import type { Topology } from '../../../src/topology/model.ts';
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
