// The seam of the attack: `node --require fault.cjs dist/topoweave.js …` counts what the program asks of the system (calls of
// the C library, of node:fs, starts of programs and threads) and does something at the N-th. The program knows nothing of it.
//
// TOPOWEAVE_FAULT is JSON:
//   log     file for what happened, one JSON document a line
//   do      'count', 'signal', 'error', 'run', 'reader' (kills what reads our output), 'terminal' (kills what holds ours)
//   at      numbers of calls, from 1; of all calls of the main thread, or, with `call`, of those of that name
//   call    such as 'fs.openSync', 'koffi.send', 'spawn'; 'thread:' before it for the second thread
//   when    'before' (default) or 'after' the call
//   signal  for 'signal'; `group: true`: to the whole process group, as a terminal does
//   errno   for 'error', such as 'ENOSPC'
//   run     for 'run': lines for sh, run in the host's network namespace
const fs = require('node:fs');
const os = require('node:os');
const util = require('node:util');
const childProcess = require('node:child_process');
const threads = require('node:worker_threads');
const { Module } = require('node:module');
const path = require('node:path');

const settings = JSON.parse(process.env.TOPOWEAVE_FAULT ?? '{}');
const { openSync, writeSync, closeSync, readFileSync } = fs;
const { spawnSync } = childProcess;
const PROGRAM = path.resolve(__dirname, '../..');
const prefix = threads.isMainThread ? '' : 'thread:';
const counts = {};
const moments = new Set([settings.at ?? []].flat());
let total = 0;
/** Above 0 while a wrapped call, or the seam itself, is at work: what they call in turn is part of it. */
let inside = 0;

function log(entry) {
  const fd = openSync(settings.log, 'a', 0o600);
  writeSync(fd, `${JSON.stringify(entry)}\n`);
  closeSync(fd);
}

function sleep(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** A signal to oneself arrives before anything else is done. */
function isGone(pid) {
  try {
    return /^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
}

function endOther(pid) {
  process.kill(pid, 'SIGKILL');
  for (let left = 2000; left > 0 && !isGone(pid); left -= 1) sleep(1);
}

const deeds = {
  signal: () => {
    process.kill(settings.group === true ? 0 : process.pid, settings.signal);
    if (settings.signal === 'SIGKILL') sleep(10_000);
  },
  run: () => {
    const words = ['--target', '1', '--net', '--', 'sh', '-c', settings.run];
    const { stderr } = spawnSync('nsenter', words, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
    if (stderr !== '') log({ ran: stderr.slice(0, 500) });
  },
  reader: () => endOther(settings.reader),
  terminal: () => endOther(process.ppid),
};

/** Counts the call; gives the errno that it shall fail with, if any. */
function meet(name, isAfter) {
  if (isAfter !== (settings.when === 'after')) return undefined;
  total += 1;
  const full = `${prefix}${name}`;
  counts[full] = (counts[full] ?? 0) + 1;
  if (settings.do === 'count') {
    if (prefix !== '') log({ thread: full });
    return undefined;
  }
  if (settings.call === undefined ? prefix !== '' : settings.call !== full) return undefined;
  if (!moments.delete(settings.call === undefined ? total : counts[full])) return undefined;
  inside += 1;
  try {
    log({ fired: full, number: settings.call === undefined ? total : counts[full] });
    if (settings.do === 'error') return settings.errno;
    deeds[settings.do]?.();
    return undefined;
  } finally {
    inside -= 1;
  }
}

/** Calls `original` as the `name`d call; `fail` gives or throws what an errno comes to. */
function guarded(name, original, fail) {
  return function wrapped(...args) {
    if (inside > 0) return original.apply(this, args);
    if (isOwn(name, args)) return original.apply(this, args);
    const errno = meet(name, false);
    if (errno !== undefined) return fail(errno, args);
    inside += 1;
    try {
      return original.apply(this, args);
    } finally {
      inside -= 1;
      meet(name, true);
    }
  };
}

/** The program's own code must be readable: a machine that cannot read it has no topoweave. */
function isOwn(name, [file]) {
  return name.startsWith('fs.') && typeof file === 'string' && file.startsWith(`${PROGRAM}/`);
}

function systemError(errno, syscall, file) {
  const number = os.constants.errno[errno];
  const text = util.getSystemErrorMap().get(-number)?.[1] ?? errno;
  const at = typeof file === 'string' ? ` '${file}'` : '';
  const error = new Error(`${errno}: ${text}, ${syscall}${at}`);
  return Object.assign(error, { errno: -number, code: errno, syscall, ...(at === '' ? {} : { path: file }) });
}

function wrapFiles() {
  const synchronous =
    'open write writeFile appendFile fsync rename unlink mkdir mkdtemp rmdir rm link readFile readdir';
  const names = `${synchronous} read readlink lstat stat fstat statfs access chmod chown exists close`.split(
    ' ',
  );
  for (const name of names) {
    const full = `${name}Sync`;
    if (typeof fs[full] !== 'function') continue;
    const syscall =
      { writeFile: 'write', appendFile: 'write', readFile: 'read', readdir: 'scandir' }[name] ?? name;
    const fail = (errno, [file]) => {
      if (name === 'exists') return false;
      throw systemError(errno, syscall, file);
    };
    fs[full] = Object.assign(guarded(`fs.${full}`, fs[full], fail), fs[full]);
    const later = fs.promises[name];
    if (typeof later !== 'function') continue;
    const reject = (errno, [file]) => Promise.reject(systemError(errno, syscall, file));
    fs.promises[name] = guarded(`fs.promises.${name}`, later, reject);
  }
}

/** The C library: -1 and errno. libnftables has messages instead. */
function wrapKoffi(koffi) {
  let injected;
  let nftMessage;
  const wrapFunction = (prototype, native) => {
    const name = /([a-z0-9_]+)\(/.exec(prototype)?.[1] ?? prototype;
    if (name === 'strerror') return native;
    if (name === 'nft_ctx_get_error_buffer') {
      return (...args) => {
        const message = nftMessage ?? native(...args);
        nftMessage = undefined;
        return message;
      };
    }
    if (name.startsWith('nft_') && name !== 'nft_run_cmd_from_buffer') return native;
    const fail = (errno) => {
      injected = os.constants.errno[errno];
      const text = util.getSystemErrorMap().get(-injected)?.[1] ?? errno;
      if (name.startsWith('nft_')) nftMessage = `internal:0:0-0: Error: Could not process rule: ${text}\n`;
      return -1;
    };
    const call = (...args) => {
      injected = undefined;
      return native(...args);
    };
    return guarded(`koffi.${name}`, call, fail);
  };
  return new Proxy(koffi, {
    get(target, key) {
      if (key === 'errno') return (...args) => injected ?? target.errno(...args);
      if (key !== 'load') return target[key];
      return (...args) => {
        const library = target.load(...args);
        return { func: (prototype) => wrapFunction(prototype, library.func(prototype)) };
      };
    },
  });
}

function wrapRequire() {
  const { _load: load } = Module;
  let wrapped;
  Module._load = function loadWrapped(request, ...rest) {
    const found = load.call(this, request, ...rest);
    if (request !== 'koffi') return found;
    wrapped ??= wrapKoffi(found);
    return wrapped;
  };
}

/** As close to the kernel as Node lets us: what libuv's uv_spawn gives is an errno. */
function wrapPrograms() {
  const handle = Object.getPrototypeOf(new childProcess.ChildProcess()._handle);
  handle.spawn = guarded('spawn', handle.spawn, (errno) => -os.constants.errno[errno]);
  const fail = (errno, [file]) => ({
    ...{ pid: 0, output: null, stdout: null, stderr: null, status: null, signal: null },
    error: systemError(errno, 'spawnSync', file),
  });
  childProcess.spawnSync = guarded('spawnSync', spawnSync, fail);
  const { Worker } = threads;
  threads.Worker = class extends Worker {
    constructor(...args) {
      const errno = inside > 0 ? undefined : meet('thread', false);
      if (errno !== undefined)
        throw Object.assign(new Error(`Worker initialization failure: ${errno}`), {
          code: 'ERR_WORKER_INIT_FAILED',
        });
      super(...args);
    }
  };
}

if (settings.log !== undefined) {
  wrapFiles();
  wrapRequire();
  wrapPrograms();
  if (threads.isMainThread) {
    log({ pid: process.pid });
    process.on('exit', (code) => log({ exit: code, total, counts }));
  }
}
