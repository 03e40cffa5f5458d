// floor.mjs RECORDING: replays the calls of a recording (recording.mjs says what is in it) and does nothing else: no
// file to read, no plan, no comparison, no report. It is the least time that a node program needs for these calls.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import koffi from 'koffi';
import { decode, operations } from './recording.mjs';

const [O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_CLOEXEC] = [0, 0o1, 0o100, 0o200, 0o2000000];
const CLONE_NEWNET = 0x40000000;
const MS_BIND = 4096;
const MNT_DETACH = 2;
const [AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE] = [16, 0o2000003, 0];
const [SOL_SOCKET, SO_SNDBUFFORCE, SO_RCVBUFFORCE] = [1, 32, 33];
const [NLMSG_ERROR, NLMSG_DONE] = [2, 3];

const libc = koffi.load('libc.so.6');
const open = call('int open(const char *path, int flags, int mode)');
const close = call('int close(int fd)');
const write = call('long write(int fd, const char *text, size_t length)');
const unlink = call('int unlink(const char *path)');
const setns = call('int setns(int fd, int nstype)');
const unshare = call('int unshare(int flags)');
const mount = call(
  'int mount(const char *from, const char *to, const char *type, unsigned long flags, void *data)',
);
const umount2 = call('int umount2(const char *path, int flags)');
const socket = call('int socket(int domain, int type, int protocol)');
const setsockopt = call('int setsockopt(int fd, int level, int name, const int *value, int length)');
const send = call('long send(int fd, const void *data, size_t length, int flags)');
const recv = call('long recv(int fd, void *data, size_t length, int flags)');

const answer = Buffer.alloc(1 << 18);
const own = open('/proc/self/ns/net', O_RDONLY | O_CLOEXEC, 0);
const sent = { messages: 0, reads: 0 };
/** The namespace that this process is in, and the socket opened there; it is left when another one's turn comes. */
const visit = { name: '', socket: undefined };

replay(readFileSync(process.argv[2]));
process.stderr.write(`messages sent: ${sent.messages + sent.reads}\n`);

function replay(recording) {
  const doing = {
    [operations.make]: ({ name }) => make(name),
    [operations.send]: (entry) => at(entry.name, () => change(entry)),
    [operations.sysctl]: (entry) => at(entry.name, () => writeSysctl(entry.payload)),
    [operations.nft]: (entry) => at(entry.name, () => nft(entry.payload)),
    [operations.remove]: ({ name }) => remove(name),
    [operations.read]: (entry) => at(entry.name, () => read(entry)),
  };
  mkdirSync('/run/netns', { recursive: true });
  for (const entry of decode(recording)) doing[entry.operation](entry);
  leave();
}

// --- namespaces ---

function at(name, work) {
  if (visit.name !== name) {
    leave();
    if (name !== '') enter(name);
  }
  work();
}

function enter(name) {
  const fd = open(pathOf(name), O_RDONLY | O_CLOEXEC, 0);
  setns(fd, CLONE_NEWNET);
  close(fd);
  visit.name = name;
}

function leave() {
  if (visit.socket !== undefined) close(visit.socket);
  if (visit.name !== '') setns(own, CLONE_NEWNET);
  visit.name = '';
  visit.socket = undefined;
}

/** Leaves this process inside: a visit that may go on with the next entry. */
function make(name) {
  leave();
  close(open(pathOf(name), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
  unshare(CLONE_NEWNET);
  visit.name = name;
  mount('/proc/self/ns/net', pathOf(name), 'none', MS_BIND, null);
}

function remove(name) {
  leave();
  umount2(pathOf(name), MNT_DETACH);
  unlink(pathOf(name));
}

function pathOf(name) {
  return `/run/netns/${name}`;
}

// --- netlink ---

function change({ payload, relocations }) {
  const wanted = countMessages(payload);
  const fd = netlink(wanted, payload.length);
  const opened = relocations.map(({ offset, name }) => {
    const namespace = open(pathOf(name), O_RDONLY | O_CLOEXEC, 0);
    payload.writeUInt32LE(namespace, offset);
    return namespace;
  });
  send(fd, payload, payload.length, 0);
  for (let done = 0; done < wanted; ) {
    const length = recv(fd, answer, answer.length, 0);
    for (const { type, start } of messagesIn(answer, length)) {
      if (type !== NLMSG_ERROR) continue;
      refuse(answer.readInt32LE(start + 16), `message ${done} of ${wanted} in '${visit.name}'`);
      done += 1;
    }
  }
  for (const namespace of opened) close(namespace);
  sent.messages += wanted;
}

function read({ payload }) {
  const fd = netlink(1, payload.length);
  send(fd, payload, payload.length, 0);
  sent.reads += 1;
  for (;;) {
    const length = recv(fd, answer, answer.length, 0);
    for (const { type, start } of messagesIn(answer, length)) {
      if (type === NLMSG_ERROR) refuse(answer.readInt32LE(start + 16), `a read in '${visit.name}'`);
      if (type === NLMSG_DONE || type === NLMSG_ERROR) return;
    }
  }
}

function netlink(messages, length) {
  visit.socket ??= socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE);
  // The usual 208 KB hold some 250 answers.
  if (messages > 200) setsockopt(visit.socket, SOL_SOCKET, SO_RCVBUFFORCE, [messages * 1024], 4);
  if (length > 100_000) setsockopt(visit.socket, SOL_SOCKET, SO_SNDBUFFORCE, [length * 2], 4);
  return visit.socket;
}

function countMessages(payload) {
  let count = 0;
  for (const _ of messagesIn(payload, payload.length)) count += 1;
  return count;
}

function* messagesIn(buffer, end) {
  for (let start = 0; start + 16 <= end; ) {
    const length = buffer.readUInt32LE(start);
    yield { type: buffer.readUInt16LE(start + 4), start };
    start += (length + 3) & ~3;
  }
}

function refuse(error, what) {
  if (error !== 0) throw new Error(`${what}: error ${-error}`);
}

// --- others ---

function writeSysctl(payload) {
  const [path, value] = payload.toString('utf8').split('\0');
  const fd = open(`/proc/sys/${path}`, O_WRONLY | O_CLOEXEC, 0);
  write(fd, value, Buffer.byteLength(value));
  close(fd);
}

function nft(script) {
  const { status, stderr } = spawnSync('nft', ['-f', '-'], { input: script, encoding: 'utf8' });
  if (status !== 0) throw new Error(`nft in '${visit.name}': ${stderr}`);
}

/** A function of the C library that throws when it fails. */
function call(prototype) {
  const name = /(\w+)\(/.exec(prototype)[1];
  const bare = libc.func(prototype);
  return (...args) => {
    const result = bare(...args);
    if (result < 0)
      throw new Error(`${name}(${args.filter((arg) => typeof arg === 'string')}): ${koffi.errno()}`);
    return result;
  };
}
