import { describe, expect, test } from 'vitest';
import { loadText } from '../../../src/loader/load.ts';
import { splitWords } from '../../../src/loader/normalize/words.ts';
import type { Namespace, Service } from '../../../src/topology/model.ts';

async function namespacesOf(text: string): Promise<readonly Namespace[]> {
  const { topology, diagnostics } = await loadText('lab.yaml', text);
  expect(diagnostics).toEqual([]);
  return topology?.namespaces ?? [];
}

async function servicesOf(text: string, namespace = 'a'): Promise<readonly Service[]> {
  const namespaces = await namespacesOf(text);
  return namespaces.find(({ name }) => name === namespace)?.services ?? [];
}

test.each([
  ['', []],
  ['  sleep   1 ', ['sleep', '1']],
  [`a "b c"d 'e "f' ""`, ['a', 'b cd', 'e "f', '']],
  ['echo \\n $HOME `date` *', ['echo', '\\n', '$HOME', '`date`', '*']],
  [`a 'b`, undefined],
])('the words of %j', (text, words) => {
  expect(splitWords(text)).toEqual(words);
});

describe('services', () => {
  test('a text and a list are the same command; times are milliseconds; root is nobody in particular', async () => {
    const [one, two] = await servicesOf(`name: lab
namespaces:
  a:
    services:
      one: { command: "busybox httpd -f -p '8 0'", user: root, ready: { tcp: 80, within: 1.5s }, stop-within: 200ms }
      two: { command: [busybox, httpd, -f, -p, "8 0"], after: [one], environment: { B: 1, A: true } }
`);
    expect(one?.command).toEqual(two?.command);
    expect(one).toMatchObject({ user: undefined, stopWithin: 200, ready: { tcp: 80, within: 1500 } });
    expect(two).toMatchObject({ after: ['a/one'], environment: { A: 'true', B: '1' }, stopWithin: 5000 });
  });

  test('brackets in a command are no range', async () => {
    const [one] = await servicesOf(
      'name: lab\nnamespaces: { a: { services: { one: { command: [ls, "/dev/tty[0-9]"] } } } }\n',
    );
    expect(one?.command).toEqual(['ls', '/dev/tty[0-9]']);
  });

  test('dhcp4 stands for a client, and dns and dhcp of a bridge for one dnsmasq', async () => {
    const text = `name: lab
namespaces: { a: {}, b: {} }
bridges:
  lan:
    namespace: a
    addresses: 10.0.0.1/24
    dns: { domain: lab.example, forward: [192.0.2.53] }
    dhcp: { range: 10.0.0.10-10.0.0.19, router: none }
    ports: { b:eth0: dhcp4 }
`;
    const [server] = await servicesOf(text);
    expect(server?.name).toBe('dnsmasq-lan');
    expect(server?.command).toEqual(
      expect.arrayContaining([
        '--interface=lan',
        '--domain=lab.example',
        '--domain-needed',
        '--server=192.0.2.53',
        '--host-record=a,a.lab.example,10.0.0.1',
        '--dhcp-range=10.0.0.10,10.0.0.19,255.255.255.0,1h',
        '--dhcp-option=option:router',
      ]),
    );
    expect(server?.command).not.toContain('--local=/#/');
    const [client] = await servicesOf(text, 'b');
    expect(client).toMatchObject({ name: 'dhcp4-eth0', madeFor: 'eth0' });
    expect(client?.command.slice(0, 2)).toEqual(['busybox', 'udhcpc']);
  });
});

test('a name server with nobody to ask, and names that are numbers', async () => {
  const [server] = await servicesOf(`name: lab
namespaces: { a: {}, "10": {} }
bridges: { lan: { namespace: a, addresses: 10.0.0.1/24, dns: true, ports: { 10:eth0: 10.0.0.2/24 } } }
`);
  expect(server?.command).toEqual(
    expect.arrayContaining(['--local=/#/', '--host-record=a,10.0.0.1', '--host-record=10.,10.0.0.2']),
  );
});

describe('names', () => {
  test('everybody by name, hostname and alias, by the address of a common subnet', async () => {
    const [a, b] = await namespacesOf(`name: lab
namespaces:
  a: { hostname: www.lab.example, hosts: { printer: 10.9.9.9, store: b } }
  b: { aliases: [db] }
links:
  - endpoints: { a:eth0: 10.0.0.1/24, b:eth0: [10.0.0.2/24, "2001:db8::2/64"] }
  - endpoints: { b:eth1: 10.1.0.2/24, host:x: 10.1.0.1/24 }
`);
    expect(a?.names?.known.map(({ address, names }) => [address, ...names].join(' '))).toEqual([
      '10.0.0.1 a www.lab.example www',
      '10.9.9.9 printer',
      '10.0.0.2 store',
      '2001:db8::2 store',
      '10.0.0.2 b db',
      '2001:db8::2 b db',
    ]);
    // It says nothing about names, but an alias, which is for the others.
    expect(b?.names).toBeUndefined();
  });

  test('one without an address has that of Debian; with defaults.hosts all have a file', async () => {
    const [a, b] = await namespacesOf('name: lab\ndefaults: { hosts: true }\nnamespaces: { a: {}, b: {} }\n');
    expect(a?.names?.known).toEqual([{ address: '127.0.1.1', names: ['a'] }]);
    expect(b?.names?.known).toEqual([{ address: '127.0.1.1', names: ['b'] }]);
  });
});
