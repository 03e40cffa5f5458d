import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parseDump } from '../../../src/engine/ip/wireguard.ts';
import { TopoweaveError } from '../../../src/lib/errors.ts';
import { loadText } from '../../../src/loader/load.ts';
import { fingerprint, publicKeyOf, readKeyFile, resolveKeys } from '../../../src/system/wireguard-keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'topoweave-keys-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A pair made for this test, by `wg genkey` and `wg pubkey`. */
const secret = 'eE0qPhFXLMzwm5WPddfcfCbpY2qiDynz2bBdOsFJQWQ=';
const publicKey = 'j8sacPGO5wZdJCrYNelpT7w/cwQnKIZSxp0ohD8OEUc=';

function write(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

function refusal(path: string): string {
  try {
    readKeyFile(path);
    return 'none';
  } catch (error) {
    if (!(error instanceof TopoweaveError)) throw error;
    expect(`${error.message} ${error.hint}`).not.toContain(secret.slice(4, 20));
    expect(error.exitCode).toBe(65);
    return error.message.replace(folder, '');
  }
}

test('the public key of a private key is the one of wg pubkey', () => {
  expect(publicKeyOf(readKeyFile(write('good', `${secret}\n`)))).toBe(publicKey);
  symlinkSync(join(folder, 'good'), join(folder, 'link'));
  expect(publicKeyOf(readKeyFile(join(folder, 'link')))).toBe(publicKey);
});

test('a key file that is not fit is refused, and the message does not show what is in it', () => {
  expect(refusal(join(folder, 'nothing'))).toBe('cannot read the key file /nothing: there is no such file');
  expect(refusal(write('open', secret, 0o640))).toBe('the key file /open is open to others (mode 0640)');
  expect(refusal(folder)).toBe('the key file  is not a file');
  const noKey = 'does not hold a key';
  expect(refusal(write('short', secret.slice(0, 40)))).toContain(noKey);
  expect(refusal(write('two', `${secret}\n${secret}\n`))).toContain(noKey);
  expect(refusal(write('hex', Buffer.from(secret, 'base64').toString('hex')))).toContain(noKey);
  expect(refusal(write('zero', Buffer.alloc(32).toString('base64')))).toContain(noKey);
  expect(refusal(write('large', secret.repeat(1000)))).toContain(noKey);
});

const file = `
name: keys
namespaces: [a, b]
tunnels:
  wg0:
    type: wireguard
    endpoints:
      a: { local: 192.0.2.1, addresses: 10.9.0.1/24, private-key-file: good, preshared-key-file: good }
      b: { addresses: 10.9.0.2/24 }
`;

test('a topology gets public keys and fingerprints, and no secret', async () => {
  const { topology } = await loadText('keys.yaml', file);
  if (topology === undefined) throw new Error('not valid');
  write('good', secret);
  const known = resolveKeys({ topology, file: join(folder, 'keys.yaml'), make: false });
  const [a, b] = known.interfaces.filter((item) => item.kind === 'wireguard');
  expect(a?.publicKey).toBe(publicKey);
  expect(a?.privateKeyPath).toBe(join(folder, 'good'));
  expect(b?.publicKey).toBeUndefined();
  expect(b?.peers[0]?.publicKey).toBe(publicKey);
  expect(b?.peers[0]?.presharedKey).toMatch(/^sha256:[0-9a-f]{16}$/);
  const made = resolveKeys({ topology: { ...topology }, file: join(folder, 'keys.yaml'), make: true });
  const other = made.interfaces.find((item) => item.kind === 'wireguard' && item.namespace === 'b');
  expect(other).toHaveProperty('publicKey', expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/));
  expect(JSON.stringify([known, made])).not.toContain(secret.slice(4, 20));
  expect(resolveKeys({ topology: made, file: undefined, make: true })).toBe(made);
});

test('two interfaces with one key cannot be peers', async () => {
  const { topology } = await loadText(
    'keys.yaml',
    file.replace('10.9.0.2/24 }', '10.9.0.2/24, private-key-file: good }'),
  );
  if (topology === undefined) throw new Error('not valid');
  expect(() => resolveKeys({ topology, file: join(folder, 'keys.yaml'), make: false })).toThrow(
    'peer b of a:wg0 has the same key as a:wg0 itself',
  );
  expect(refusal('/tmp/a\nb')).toContain('control character');
});

test('what wg prints has no secret any more when it is read', () => {
  const psk = Buffer.alloc(32, 7).toString('base64');
  const dump = [
    `${secret}\t${publicKey}\t51820\t0x51`,
    `${publicKey}\t${psk}\t[2001:db8::1]:7\t10.9.0.2/32,10.0.0.0/8\t0\t0\t0\t25`,
    `${'A'.repeat(43)}=\t(none)\t(none)\t(none)\t0\t0\t0\toff\n`,
  ].join('\n');
  const device = parseDump('wg0', dump);
  expect(device).toEqual({
    ifname: 'wg0',
    publicKey,
    port: 51820,
    fwmark: 0x51,
    peers: [
      {
        publicKey: `${'A'.repeat(43)}=`,
        presharedKey: 'none',
        endpoint: undefined,
        allowedIps: [],
        keepalive: 0,
      },
      {
        publicKey,
        presharedKey: fingerprint(Buffer.alloc(32, 7)),
        endpoint: '[2001:db8::1]:7',
        allowedIps: ['10.0.0.0/8', '10.9.0.2/32'],
        keepalive: 25,
      },
    ].sort((x, y) => (x.publicKey < y.publicKey ? -1 : 1)),
  });
  expect(JSON.stringify(device)).not.toContain(psk);
  expect(parseDump('wg1', '(none)\t(none)\t0\toff\n').publicKey).toBe('none');
});
