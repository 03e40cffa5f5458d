// Whether a candidate did the whole work: a fast one that forgets half of it must not win.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

/** Looks at all names, and at three namespaces closely; throws when something is missing. */
export function verify({ namespaces, bridges, links }) {
  const names = Object.keys(namespaces);
  const there = new Set(readdirSync('/run/netns'));
  for (const name of names) expect(there.has(name), `there is no namespace ${name}`);
  for (const position of [0, Math.floor(names.length / 2), names.length - 1]) {
    const name = names[position];
    const seen = JSON.parse(
      execFileSync('ip', ['-json', '-n', name, 'address', 'show'], { encoding: 'utf8' }),
    );
    for (const end of links.flat().filter(({ namespace }) => namespace === name)) verifyEnd(end, seen);
    for (const [bridge, { namespace, addresses }] of Object.entries(bridges))
      if (namespace === name) verifyEnd({ namespace, name: bridge, addresses }, seen);
    verifyRoutes(name, namespaces[name]);
  }
}

function verifyEnd({ namespace, name, addresses, bridge }, seen) {
  const found = seen.find(({ ifname }) => ifname === name);
  expect(found?.flags.includes('UP'), `${namespace}:${name} is not up`);
  expect(found.master === bridge, `${namespace}:${name} is in ${found.master}, not in ${bridge}`);
  const has = found.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  for (const address of addresses) expect(has.includes(address), `${namespace}:${name} lacks ${address}`);
}

function verifyRoutes(name, { routes, forwarding }) {
  const text = execFileSync('ip', ['-n', name, 'route', 'show'], { encoding: 'utf8' });
  for (const [to, via] of routes) expect(text.includes(`${to} via ${via} `), `${name} lacks the route ${to}`);
  if (!forwarding) return;
  for (const path of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) {
    const value = execFileSync('nsenter', [`--net=/run/netns/${name}`, 'cat', `/proc/sys/net/${path}`]);
    expect(String(value).trim() === '1', `${name} does not forward`);
  }
}

function expect(condition, message) {
  if (!condition) throw new Error(message);
}
