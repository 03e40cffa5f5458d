import { createHash, createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { TopoweaveError } from '../lib/errors.ts';
import { exitCodes } from '../lib/exit-codes.ts';
import { errnoOf, orMissing, withPath } from '../lib/system-error.ts';
import type { Interface, Topology, Wireguard, WireguardPeer } from '../topology/model.ts';
import { isThere, noteDamage, putAside } from './damage.ts';
import { makeFolder, recordFolder, writePrivateFile } from './record.ts';

/** Length of every key of WireGuard, and of its base64. */
const KEY_SIZE = 32;
const TEXT_SIZE = 44;

/** What stands before the 32 bytes of an X25519 key in PKCS #8 (RFC 8410). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** A key that is made and not written yet. */
interface NewKey {
  readonly file: string;
  readonly key: Buffer;
}

const resolved = new WeakMap<Topology, Topology>();
const unwritten = new WeakMap<Topology, NewKey[]>();

export interface KeyRequest {
  readonly topology: Topology;
  /** The absolute path of the topology file: what paths in it start from. */
  readonly file: string | undefined;
  /** Make the keys that are missing; without it, what depends on them stays unknown. */
  readonly make: boolean;
}

/**
 * The topology with the public keys of its WireGuard interfaces, and fingerprints of their preshared keys. No private
 * key leaves this file but by `readKeyFile`, for the message that gives it to the kernel.
 *
 * @throws TopoweaveError when a key file is not there, no key, or can be read by others.
 */
export function resolveKeys({ topology, file, make }: KeyRequest): Topology {
  const known = resolved.get(topology);
  if (known !== undefined) return known;
  if (!topology.interfaces.some(({ kind }) => kind === 'wireguard')) return topology;
  const base = dirname(file ?? '/');
  const fresh: NewKey[] = [];
  const keys = new Map<string, { path: string; publicKey: string | undefined }>();
  for (const item of topology.interfaces) {
    if (item.kind !== 'wireguard') continue;
    keys.set(keyOf(item), interfaceKey(topology.name, item, { base, make, fresh }));
  }
  const fingerprints = new Map<string, string>();
  const withKey = (item: Interface): Interface => {
    if (item.kind !== 'wireguard') return item;
    const { path, publicKey } = keys.get(keyOf(item)) ?? { path: '', publicKey: undefined };
    const peers = item.peers.map((peer) => withPeerKeys(item, peer));
    return { ...item, privateKeyPath: path, ...(publicKey === undefined ? {} : { publicKey }), peers };
  };
  const withPeerKeys = (item: Wireguard, peer: WireguardPeer): WireguardPeer => {
    const publicKey = peer.isEnd
      ? keys.get(keyOf({ namespace: peer.name, name: item.name }))?.publicKey
      : peer.publicKey;
    if (peer.presharedKeyFile === undefined) return { ...peer, publicKey };
    const path = resolve(base, peer.presharedKeyFile);
    const presharedKey = fingerprints.get(path) ?? fingerprint(readKeyFile(path));
    fingerprints.set(path, presharedKey);
    return { ...peer, publicKey, presharedKey, presharedKeyPath: path };
  };
  const result: Topology = { ...topology, interfaces: topology.interfaces.map(withKey) };
  for (const item of result.interfaces) if (item.kind === 'wireguard') checkKeysTwice(item);
  resolved.set(topology, result);
  resolved.set(result, result);
  unwritten.set(result, fresh);
  return result;
}

/** The kernel tells peers apart by their keys, and drops one that has the interface's own. */
function checkKeysTwice({ namespace, name, publicKey, peers }: Wireguard): void {
  const owners = new Map(publicKey === undefined ? [] : [[publicKey, `${namespace}:${name} itself`]]);
  for (const peer of peers) {
    if (peer.publicKey === undefined) continue;
    const other = owners.get(peer.publicKey);
    if (other !== undefined) {
      throw new TopoweaveError(
        'key-twice',
        `peer ${peer.name} of ${namespace}:${name} has the same key as ${other}`,
        { hint: 'give each of them a key of its own', exitCode: exitCodes.invalidFile },
      );
    }
    owners.set(peer.publicKey, `peer ${peer.name}`);
  }
}

interface Making {
  readonly base: string;
  readonly make: boolean;
  readonly fresh: NewKey[];
}

function interfaceKey(
  lab: string,
  item: Wireguard,
  { base, make, fresh }: Making,
): { path: string; publicKey: string | undefined } {
  if (item.privateKeyFile !== undefined) {
    const path = resolve(base, item.privateKeyFile);
    return { path, publicKey: publicKeyOf(readKeyFile(path)) };
  }
  const path = join(keyFolder(lab), keyName(item));
  const kept = readKept(path);
  if (kept !== undefined) return { path, publicKey: publicKeyOf(kept) };
  if (!make) return { path, publicKey: undefined };
  const key = makeKey();
  fresh.push({ file: path, key });
  return { path, publicKey: publicKeyOf(key) };
}

/** Writes the keys that were made for a topology, before the kernel gets them. */
export function storeKeys(topology: Topology | undefined): void {
  const fresh = topology === undefined ? undefined : unwritten.get(topology);
  if (topology === undefined || fresh === undefined || fresh.length === 0) return;
  privateFolder(topology.name);
  for (const { file, key } of fresh.splice(0)) {
    if (isThere(file)) noteDamage({ path: file, problem: NO_KEY, kept: putAside(file), lost: LOST_KEY });
    writePrivateFile(file, `${key.toString('base64')}\n`);
  }
}

/** Removes the keys of a lab that no interface of the topology has; all of them without one. */
export function forgetKeys(lab: string, topology: Topology | undefined): void {
  const folder = keyFolder(lab);
  const wanted = new Set(
    (topology?.interfaces ?? []).flatMap((item) =>
      item.kind === 'wireguard' && item.privateKeyFile === undefined ? [keyName(item)] : [],
    ),
  );
  if (wanted.size === 0) {
    rmSync(folder, { recursive: true, force: true });
    return;
  }
  for (const name of listKeys(folder)) {
    // A damaged key stays as long as the one that was made in its place.
    if (wanted.has(name.replace(/\.damaged(\.\d+)?$/, ''))) continue;
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/**
 * The 32 bytes of a key file: base64, as `wg genkey` writes it. A message never shows what is in it.
 *
 * @throws TopoweaveError as resolveKeys.
 */
export function readKeyFile(path: string): Buffer {
  const fail = (message: string, hint: string): never => {
    throw new TopoweaveError('key-file', message, { hint, exitCode: exitCodes.invalidFile });
  };
  // The batch of `wg` has one word a line.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(path))
    return fail(`the path ${JSON.stringify(path)} has a control character`, 'give the file another name');
  let fd: number;
  try {
    // A FIFO would wait for a writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = errnoOf(error) ?? String(error);
    // What the machine is short of at this moment is no fault of the file.
    if (passing.has(code)) throw error;
    const reason = code === 'ENOENT' ? 'there is no such file' : code;
    return fail(`cannot read the key file ${path}: ${reason}`, 'make one: (umask 077; wg genkey > FILE)');
  }
  try {
    const status = fstatSync(fd);
    if (!status.isFile())
      return fail(`the key file ${path} is not a file`, 'give the path of a file with a key');
    if (!isTrusted(status.uid))
      return fail(`the key file ${path} belongs to another user (uid ${status.uid})`, `chown root ${path}`);
    if ((status.mode & 0o077) !== 0) {
      const mode = (status.mode & 0o777).toString(8).padStart(4, '0');
      return fail(`the key file ${path} is open to others (mode ${mode})`, `chmod 600 ${path}`);
    }
    const key = status.size > TEXT_SIZE * 2 ? undefined : parseKey(withPath(path, () => readFileSync(fd)));
    return (
      key ??
      fail(`the key file ${path} does not hold a key`, 'it is one line: 32 bytes in base64, as of wg genkey')
    );
  } finally {
    closeSync(fd);
  }
}

const passing: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EIO', 'EINTR']);

/** Root, the user, and who became root by sudo. */
function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.getuid?.() || String(uid) === process.env['SUDO_UID'];
}

function parseKey(bytes: Buffer): Buffer | undefined {
  const text = bytes.toString('latin1').trim();
  const key = Buffer.from(text, 'base64');
  // Another text for the same bytes is a damaged one.
  const isWhole = key.length === KEY_SIZE && key.toString('base64') === text;
  return isWhole && key.some((byte) => byte !== 0) ? key : undefined;
}

/** What tells one preshared key from another, and says nothing about it. */
export function fingerprint(key: Uint8Array): string {
  return `sha256:${createHash('sha256').update(key).digest('hex').slice(0, 16)}`;
}

export function publicKeyOf(key: Uint8Array): string {
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, key]),
    format: 'der',
    type: 'pkcs8',
  });
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  return Buffer.from(x, 'base64url').toString('base64');
}

/** Clamped as `wg genkey` and the kernel do it (curve25519_clamp_secret), so that the file has what the kernel has. */
function makeKey(): Buffer {
  const key = randomBytes(KEY_SIZE);
  key[0] = (key[0] ?? 0) & 248;
  key[31] = ((key[31] ?? 0) & 127) | 64;
  return key;
}

function keyFolder(lab: string): string {
  return join('/run/topoweave', `${lab}.keys`);
}

/** A slash is in neither name, and with the colon it is neither `.` nor `..`. */
function keyName({ namespace, name }: Pick<Wireguard, 'namespace' | 'name'>): string {
  return `${namespace}:${name}`;
}

function keyOf({ namespace, name }: Pick<Wireguard, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

function privateFolder(lab: string): void {
  recordFolder();
  const folder = keyFolder(lab);
  makeFolder(folder);
  const status = lstatSync(folder);
  if (status.isDirectory() && status.uid === process.getuid?.() && (status.mode & 0o077) === 0) return;
  throw new TopoweaveError('key-folder', `${folder} is open to others`, {
    hint: `look at it and remove it: rm -r ${folder}`,
  });
}

const NO_KEY = 'it is no key of ours';
const LOST_KEY = 'the private key, so a new one is made: peers outside of the lab need the new public key';

/** A kept key; one that is damaged is noted and as good as none, and a new one is made. */
function readKept(path: string): Buffer | undefined {
  if (!isThere(path)) return undefined;
  try {
    if (lstatSync(path).isFile()) return readKeyFile(path);
  } catch (error) {
    // One that cannot be read now is not damaged: a new one would be told to all ends.
    if (!(error instanceof TopoweaveError)) throw error;
  }
  noteDamage({ path, problem: NO_KEY, lost: LOST_KEY });
  return undefined;
}

function listKeys(folder: string): string[] {
  return orMissing(() => readdirSync(folder), []);
}
