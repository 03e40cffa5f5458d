import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadFile, loadText } from '../../../src/loader/load.ts';

const isRoot = process.getuid?.() === 0;
let folder = '';
let other = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'topoweave-'));
  other = mkdtempSync(join(tmpdir(), 'topoweave-'));
  chmodSync(folder, 0o755);
  chmodSync(other, 0o755);
  vi.stubEnv('SUDO_UID', '54321');
  vi.stubEnv('SUDO_GID', '54321');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
  rmSync(other, { recursive: true });
});

const write = (path: string, text: string, mode: number) => {
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};

test.runIf(isRoot)('what the user behind sudo may not read is not in messages', async () => {
  const secret = write(join(other, 'shadow'), 'root:$6$hash:1\nkey-of-root: 1\n', 0o600);
  symlinkSync(secret, join(folder, 'link.yaml'));
  for (const reference of [secret, 'link.yaml', '/proc/self/environ']) {
    const main = write(join(folder, 'lab.yaml'), `name: lab\ninclude: ${reference}\n`, 0o644);
    const { topology, diagnostics, texts } = await loadFile(main, 'lab.yaml');
    expect(topology).toBeUndefined();
    expect(diagnostics.length).toBeGreaterThan(0);
    expect(JSON.stringify([diagnostics, [...texts]])).not.toMatch(/hash|key-of-root|SUDO_UID/);
  }
  const { diagnostics, texts } = await loadFile(secret, secret);
  expect(JSON.stringify([diagnostics, [...texts]])).not.toMatch(/hash|key-of-root/);
});

test.runIf(isRoot)('what they may read is, and what lies below their topology', async () => {
  const open = write(join(other, 'open.yaml'), 'open-key: 1\n', 0o644);
  write(join(folder, 'own.yaml'), 'own-key: 1\n', 0o600);
  for (const [reference, key] of [
    [open, 'open-key'],
    ['own.yaml', 'own-key'],
  ] as const) {
    const main = write(join(folder, 'lab.yaml'), `name: lab\ninclude: ${reference}\n`, 0o644);
    const { diagnostics } = await loadFile(main, 'lab.yaml');
    expect(diagnostics.map(({ message }) => message)).toEqual([`unknown key '${key}'`]);
  }
});

test.each(['/dev/zero', '/dev/random', '/dev/null', '/proc'])('%s is no file to include', async (path) => {
  const { diagnostics } = await loadText('lab.yaml', `name: lab\ninclude: ${path}\n`);
  expect(diagnostics[0]?.message).toMatch(/it is (?:not a regular file|a folder)$/);
});

test('values from outside are not repeated', async () => {
  const text = `name: lab\nnamespaces:\n  a: {sysctls: {net.ipv4.ip_forward: "\${SECRET}"}}\n`;
  const { diagnostics } = await loadText('lab.yaml', text, { env: { SECRET: 'hunter2' } });
  expect(diagnostics.map(({ message }) => message)).toEqual([
    `net.ipv4.ip_forward takes an integer, not '\${SECRET}'`,
  ]);
});

test.each([
  ['net.ipv4.conf.all.rp_filter', '25ms'],
  ['net.ipv6.conf.default.hop_limit', '1.5'],
  ['net.ipv4.neigh.default.gc_stale_time', '60s'],
  ['net.core.somaxconn', '4k'],
  ['net.ipv4.conf.all.rp_filter', '99999999999'],
])('%s does not take %s', async (name, value) => {
  const text = `name: lab\nnamespaces:\n  a: {sysctls: {${name}: "${value}"}}\n`;
  const { diagnostics } = await loadText('lab.yaml', text);
  expect(diagnostics.map(({ code, location }) => [code, location.line])).toEqual([['bad-sysctl', 3]]);
});

test.each([
  ['net.ipv4.conf.all.rp_filter', '2'],
  ['net.ipv4.ip_local_port_range', '1024 65000'],
  ['net.ipv4.tcp_rmem', '4096 87380 6291456'],
  ['net.ipv4.tcp_congestion_control', 'cubic'],
  ['net.ipv6.conf.all.stable_secret', '2001:db8::1'],
  ['net.ipv6.conf.all.accept_ra_rt_info_max_plen', '-1'],
  ['net.ipv4.ip_local_reserved_ports', '8080,9000-9010'],
])('%s takes %s', async (name, value) => {
  const text = `name: lab\nnamespaces:\n  a: {sysctls: {${name}: "${value}"}}\n`;
  expect((await loadText('lab.yaml', text)).diagnostics).toEqual([]);
});
