// @ts-nocheck temporary
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import validate from '../generated/validate-topology.js';

const toArr = (x) => (x === undefined || x === null ? [] : Array.isArray(x) ? x : [x]);
const settings = (x) =>
  x === null || x === undefined ? {} : typeof x === 'string' || Array.isArray(x) ? { addresses: x } : x;
export async function loadFile(path, display = path) {
  const text = readFileSync(path === '-' ? 0 : path, 'utf8');
  return loadText(display, text);
}
export async function loadValidFile(path) {
  const l = await loadFile(path);
  if (!l.topology) throw new Error('invalid');
  return l;
}
export function loadText(path, text) {
  const lc = new LineCounter();
  const doc = parseDocument(text, { merge: true, lineCounter: lc });
  const d = doc.toJS();
  const source = { path, text, locate: () => ({ file: path, line: 1, column: 1, endLine: 1, endColumn: 1 }) };
  if (!validate(d))
    return {
      topology: undefined,
      name: d?.name,
      source,
      diagnostics: [
        {
          severity: 'error',
          code: 'schema',
          message: JSON.stringify(validate.errors?.slice(0, 3)),
          location: source.locate(),
        },
      ],
    };
  const place = { pointer: '', part: 'key' };
  const addr = (a) => {
    const [address, l] = a.split('/');
    return { address, prefixLength: Number(l), family: address.includes(':') ? 6 : 4, place };
  };
  const hash = (s) =>
    '02:' + createHash('sha256').update(s).digest('hex').slice(0, 10).match(/../g).join(':');
  const ifs = [];
  const mode = d.defaults?.macaddress ?? 'hash';
  const base = (ns, name, s, kind) => {
    const addresses = toArr(s.addresses).map(addr);
    const v4 = addresses.find((a) => a.family === 4);
    const mac =
      s.macaddress?.toLowerCase() ??
      (['gre', 'ip6gre', 'loopback'].includes(kind) || mode === 'random'
        ? undefined
        : mode === 'from-ip' && v4
          ? '02:42:' +
            v4.address
              .split('.')
              .map((b) => Number(b).toString(16).padStart(2, '0'))
              .join(':')
          : hash(`${d.name}/${ns}/${name}`));
    return {
      namespace: ns,
      name,
      addresses,
      mtu: s.mtu,
      mtuPlace: undefined,
      macaddress: mac,
      state: s.state ?? 'up',
      alias: s.alias,
      master: undefined,
      place,
    };
  };
  const ep = (e) => {
    const i = e.indexOf(':');
    return [e.slice(0, i), e.slice(i + 1)];
  };
  const pairs = (x) =>
    Array.isArray(x) ? x.map((e) => [e, {}]) : Object.entries(x ?? {}).map(([k, v]) => [k, settings(v)]);
  const names = Array.isArray(d.namespaces)
    ? Object.fromEntries(d.namespaces.map((n) => [n, {}]))
    : { ...(d.namespaces ?? {}) };
  const dm = d.defaults?.mtu ?? 1500;
  const tunMtu = new Map();
  for (const l0 of d.links ?? []) {
    const l = Array.isArray(l0) ? { endpoints: l0 } : l0;
    const [[a, sa], [b, sb]] = pairs(l.endpoints);
    const [na, ia] = ep(a),
      [nb, ib] = ep(b);
    ifs.push({
      ...base(na, ia, { mtu: l.mtu ?? dm, ...sa }, 'veth'),
      kind: 'veth',
      peer: { namespace: nb, name: ib },
      madeForPort: false,
    });
    ifs.push({
      ...base(nb, ib, { mtu: l.mtu ?? dm, ...sb }, 'veth'),
      kind: 'veth',
      peer: { namespace: na, name: ia },
      madeForPort: false,
    });
  }
  for (const [name, t] of Object.entries(d.tunnels ?? {})) {
    const es = Object.entries(t.endpoints);
    const key = typeof t.key === 'string' ? t.key.split('.').reduce((s, b) => s * 256 + Number(b), 0) : t.key;
    for (const [ns, e0] of es) {
      const e = e0 ?? {};
      const others = es
        .filter(([n]) => n !== ns)
        .map(([, o]) => o?.local)
        .filter(Boolean);
      const over =
        { gre: 24, gretap: 38, ip6gre: 48, ip6gretap: 62, vxlan: (e.local ?? '').includes(':') ? 70 : 50 }[
          t.type
        ] + (key !== undefined ? 4 : 0);
      const s = { mtu: t.mtu ?? 1500 - over, ...e };
      tunMtu.set(`${ns}/${name}`, s.mtu);
      const b = base(ns, name, s, t.type);
      const ttl = t.ttl ?? 64,
        tos = t.tos ?? 0;
      if (t.type === 'vxlan')
        ifs.push({
          ...b,
          kind: 'vxlan',
          id: t.id,
          port: t.port ?? 4789,
          learning: t.learning ?? true,
          local: e.local,
          dev: e.dev,
          ttl,
          tos,
          peers: [...new Set([...others, ...toArr(e.remote), ...(t.peers ?? [])])].sort(),
        });
      else
        ifs.push({
          ...b,
          kind: t.type,
          local: e.local,
          remote: e.remote ?? others[0],
          dev: e.dev,
          key,
          ttl,
          tos,
        });
    }
  }
  for (const [name, br0] of Object.entries(d.bridges ?? {})) {
    const br = br0 ?? {};
    const ns = br.namespace ?? 'host';
    const p = br.parameters ?? {};
    const mtu = br.mtu ?? Math.min(dm, ...(br.members ?? []).map((m) => tunMtu.get(`${ns}/${m}`) ?? dm));
    ifs.push({
      ...base(ns, name, { ...br, mtu }, 'bridge'),
      kind: 'bridge',
      parameters: {
        stp: p.stp ?? false,
        priority: p.priority ?? 32768,
        forwardDelay: p['forward-delay'] ?? 15,
        helloTime: p['hello-time'] ?? 2,
        maxAge: p['max-age'] ?? 20,
        ageingTime: p['ageing-time'] ?? 300,
      },
    });
    for (const [e, s] of pairs(br.ports)) {
      const [fn, fi] = ep(e);
      const near = s['port-name'] ?? `${fn}-${fi}`.slice(0, 15);
      ifs.push({
        ...base(fn, fi, { mtu, ...s }, 'veth'),
        kind: 'veth',
        peer: { namespace: ns, name: near },
        madeForPort: false,
      });
      ifs.push({
        ...base(ns, near, { mtu: s.mtu ?? mtu }, 'veth'),
        kind: 'veth',
        master: name,
        peer: { namespace: fn, name: fi },
        madeForPort: true,
      });
    }
    for (const m of br.members ?? []) {
      const i = ifs.findIndex((x) => x.namespace === ns && x.name === m);
      ifs[i] = { ...ifs[i], master: name };
    }
  }
  const num = (a) => a.split('.').reduce((s, b) => s * 256 + Number(b), 0);
  const exp6 = (a) => {
    const [l, r] = a.split('::');
    const L = l ? l.split(':') : [],
      R = r ? r.split(':') : [];
    const z = r === undefined ? [] : Array(8 - L.length - R.length).fill('0');
    return [...L, ...z, ...R].reduce((s, h) => s * 65536n + BigInt(parseInt(h, 16)), 0n);
  };
  const inNet = (ip, a) =>
    (ip.includes(':') ? 6 : 4) === a.family &&
    (a.family === 4
      ? Math.floor(num(ip) / 2 ** (32 - a.prefixLength)) ===
        Math.floor(num(a.address) / 2 ** (32 - a.prefixLength))
      : exp6(ip) >> BigInt(128 - a.prefixLength) === exp6(a.address) >> BigInt(128 - a.prefixLength));
  const addrOf = (ns, from) => {
    const all = ifs.filter((i) => i.namespace === ns).flatMap((i) => i.addresses.map((a) => [i, a]));
    const mine = ifs.filter((i) => i.namespace === from).flatMap((i) => i.addresses);
    return (all.find(([, a]) => mine.some((m) => inNet(a.address, m))) ??
      all.find(([i]) => i.name !== 'lo') ??
      all[0])?.[1].address;
  };
  for (const [n, v] of Object.entries(names))
    for (const [i, s] of Object.entries(v?.interfaces ?? {}))
      ifs.push({ ...base(n, i, settings(s), 'loopback'), kind: 'loopback' });
  for (const i of ifs) if (!(i.namespace in names)) names[i.namespace] = {};
  const namespaces = Object.entries(names).map(([name, v0]) => {
    const v = v0 ?? {};
    const f = v.forwarding;
    const fw =
      f === undefined
        ? undefined
        : Array.isArray(f)
          ? {
              ...(f.includes('ipv4') ? { ipv4: true } : {}),
              ...(f.includes('ipv6') ? { ipv6: true } : {}),
              place,
            }
          : { ipv4: f, ipv6: f, place };
    const rs = Array.isArray(v.routes)
      ? v.routes
      : Object.entries(v.routes ?? {}).map(([to, x]) => ({
          to,
          ...(typeof x === 'string' ? { via: x } : x),
        }));
    const mine = ifs.filter((i) => i.namespace === name);
    const routes = rs.map((r) => {
      const hops0 =
        r.nexthops ?? (r.via || r.dev ? [{ via: r.via, dev: r.dev, 'on-link': r['on-link'] }] : []);
      const nexthops = hops0.map((h) => ({
        via: h.via,
        dev: h.dev ?? (h.via && mine.find((i) => i.addresses.some((a) => inNet(h.via, a)))?.name),
        weight: h.weight ?? 1,
        onLink: h['on-link'] ?? false,
        place,
      }));
      const v6 = [r.to, r.from, ...hops0.map((h) => h.via)].some((x) => x?.includes?.(':'));
      let to = r.to;
      if (['0.0.0.0/0', '::/0'].includes(to)) to = 'default';
      if (to !== 'default' && !to.includes('/')) to += v6 ? '/128' : '/32';
      return {
        to,
        family: v6 ? 6 : 4,
        type: r.type ?? 'unicast',
        table: String(r.table ?? 'main'),
        metric: r.metric,
        scope: r.scope,
        from: r.from,
        mtu: r.mtu,
        advertisedMss: r['advertised-mss'],
        congestionWindow: r['congestion-window'],
        advertisedReceiveWindow: r['advertised-receive-window'],
        nexthops,
        place,
      };
    });
    const out = (o) => (o === undefined ? undefined : { name: o.replace(/^!/, ''), not: o.startsWith('!') });
    const rng = (p) => {
      const [a, b] = String(p).split('-').map(Number);
      return { first: a, last: b ?? a };
    };
    const pub = (p) => {
      if (typeof p === 'string') {
        const m =
          /^(?:(\[[^\]]+\]|[\d.]+):)?(\d+(?:-\d+)?):(\[[^\]]+\]|[^:/]+)(?::(\d+(?:-\d+)?))?(?:\/(tcp|udp))?$/.exec(
            p,
          );
        p = {
          address: m[1]?.replace(/[[\]]/g, ''),
          port: m[2],
          to: m[3].replace(/[[\]]/g, ''),
          'to-port': m[4],
          protocol: m[5],
        };
      }
      return {
        protocol: p.protocol ?? 'tcp',
        address: p.address,
        port: rng(p.port),
        to: /^[\d.]+$|:/.test(p.to) ? p.to : addrOf(p.to, name),
        toPort: rng(p['to-port'] ?? p.port),
        place,
      };
    };
    return {
      name,
      place,
      forwarding: fw,
      sysctls: Object.entries(v.sysctls ?? {}).map(([k, x]) => ({
        name: k,
        value: String(x === true ? 1 : x === false ? 0 : x),
        place,
      })),
      routes,
      nat: {
        masquerade: (v.nat?.masquerade ?? []).map((m) => ({ from: m.from, out: out(m.out), place })),
        snat: (v.nat?.snat ?? []).map((m) => ({ from: m.from, out: out(m.out), to: m.to, place })),
        publish: (v.nat?.publish ?? []).map(pub),
      },
    };
  });
  const checks = (d.checks ?? []).map((c) => {
    const kind = c.ping ? 'ping' : c.tcp ? 'tcp' : 'udp';
    const x = c[kind];
    let to = x.to,
      port;
    if (kind !== 'ping') {
      const m = /^(.*):(\d+)$/.exec(x.to);
      to = m[1].replace(/[[\]]/g, '');
      port = Number(m[2]);
    }
    const m = /^([\d.]+)(ms|s|m)$/.exec(x.within ?? '5s');
    return {
      kind,
      name: c.name ?? `${kind} ${x.from} -> ${x.to}${x.expect === 'unreachable' ? ' unreachable' : ''}`,
      from: x.from,
      address: to in names ? addrOf(to, x.from) : to,
      to,
      port,
      expect: x.expect ?? 'reachable',
      within: Number(m[1]) * { ms: 1, s: 1000, m: 60000 }[m[2]],
      count: x.count ?? 1,
      size: x.size,
      place,
    };
  });
  const cmp = (a, b) => (a < b ? -1 : 1);
  return {
    topology: {
      name: d.name,
      namespaces: namespaces.sort((a, b) => cmp(a.name, b.name)),
      interfaces: ifs.sort((a, b) => cmp(a.namespace, b.namespace) || cmp(a.name, b.name)),
      checks,
    },
    name: d.name,
    source,
    diagnostics: [],
  };
}
