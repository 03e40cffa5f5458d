import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chownSync,
  closeSync,
  constants,
  fchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TopoweaveError } from '../lib/errors.ts';
import type { LiveService } from '../observe/live.ts';
import { HOST, type Ready, type Service, type Topology } from '../topology/model.ts';
import { type Account, findUser } from './accounts.ts';
import { withHostname } from './hostname.ts';
import { netnsPath } from './netns.ts';
import { identityOf, isSame, listProcesses, type Process, processOf } from './processes.ts';
import { recordFolder, writePrivateFile } from './record.ts';
import { countProcesses, searchPath } from './run.ts';

/**
 * The folders of services, where their users can get to them. Those above are root's, so nobody can put another in its
 * place; what else topoweave keeps of services is below /run/topoweave, where only root reads.
 */
const FOLDERS = '/run/topoweave-services';

/** In the environment of a service and of all that it starts: which start it was. */
const TOKEN = 'TOPOWEAVE_START';
/** Only in the program's own environment: until it is there, the programs before it are under way. */
const ARRIVED = 'TOPOWEAVE_SERVICE';

/** Milliseconds for which a program must run to count as started, where nothing says when it is ready. */
const SETTLE = 150;
/** Milliseconds until the programs in front of it must have started it. */
const ARRIVE = 20_000;
const POLL = 25;
/** Milliseconds for one try of a ready command. */
const TRY = 2000;
const LOG_LINES = 5;

/** What a start leaves behind: enough to know the process again, and to stop what it started. */
interface ServiceRecord {
  readonly version: 1;
  readonly lab: string;
  readonly namespace: string;
  readonly name: string;
  readonly attributes: LiveService['attributes'];
  readonly log: string;
  /** Milliseconds. */
  readonly stopWithin: number;
  /** What is in the environment of its processes; without a pid, all that tells them. */
  readonly token: string;
  readonly process?: Process;
}

export interface ServiceStart {
  readonly lab: string;
  readonly namespace: string;
  readonly service: Service;
  readonly hostname: string;
  readonly attributes: LiveService['attributes'];
}

/** The services of one lab, or of all, with what became of their processes. */
export function readServices(lab?: string): LiveService[] {
  return recordsOf(lab).map(({ record }) => {
    const { process, namespace, name, attributes, log } = record;
    const isAlive = process !== undefined && isSame(process);
    const state = !isAlive ? 'dead' : isIn(process.pid, namespace) ? 'running' : 'elsewhere';
    return { lab: record.lab, namespace, name, attributes, state, pid: process?.pid, log };
  });
}

function isIn(pid: number, namespace: string): boolean {
  try {
    const path = netnsPath(namespace);
    const wanted = path === undefined ? readlinkSync('/proc/self/ns/net') : `net:[${statSync(path).ino}]`;
    return readlinkSync(`/proc/${pid}/ns/net`) === wanted;
  } catch {
    return false;
  }
}

/**
 * Starts a program and waits until it is ready, or, where nothing says when that is, has run for a moment. It lives on when
 * topoweave ends: a session of its own, no terminal, its log as its output.
 *
 * @throws TopoweaveError with the end of its log, when it ends at once or is not ready in time; it is stopped then.
 */
export async function startService(start: ServiceStart, signal?: AbortSignal): Promise<void> {
  const { lab, namespace, service, attributes } = start;
  const account = findUser(service.user ?? 'root');
  if (account === undefined)
    throw new TopoweaveError('service', `there is no user ${service.user} on this machine`);
  const folder = makeFolder(start, account);
  const { log, fd } = openLog(start);
  const token = randomUUID();
  const { stopWithin } = service;
  const record: ServiceRecord = {
    version: 1,
    lab,
    namespace,
    name: service.name,
    attributes,
    log,
    stopWithin,
    token,
  };
  writeRecord(record);
  let child: ChildProcess;
  try {
    child = launch(start, { account, folder, token, fd });
  } finally {
    closeSync(fd);
  }
  const ended = endOf(child);
  const { pid } = child;
  const process = pid === undefined ? undefined : identityOf(pid);
  const started: ServiceRecord = process === undefined ? record : { ...record, process };
  writeRecord(started);
  child.unref();
  const problem = await untilReady(start, { account, folder, token, process, ended, signal });
  if (problem === undefined) return;
  await stopProcesses(started);
  forgetRecord(started);
  throw new TopoweaveError('service', `${problem}${endOfLog(log)}`);
}

/** How a program ended, or undefined while it runs. */
interface Ended {
  reason: string | undefined;
}

function endOf(child: ChildProcess): Ended {
  const ended: Ended = { reason: undefined };
  child.on('error', (error) => {
    ended.reason = error.message;
  });
  child.on('exit', (code, signal) => {
    ended.reason = signal === null ? `with exit code ${code}` : `by signal ${signal}`;
  });
  return ended;
}

interface Launch {
  readonly account: Account;
  readonly folder: string;
  readonly token: string;
}

/**
 * The first program of a service, or of its ready command: it closes what it inherited beside its input and output. The
 * program and its arguments come as words of their own.
 */
const opening = `umask 022
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
exec "$@"`;

function launch(start: ServiceStart, { fd, ...how }: Launch & { readonly fd: number }): ChildProcess {
  const [program = '', ...args] = argvOf(start, start.service.command, how);
  countProcesses(1);
  return spawn(program, args, {
    env: { PATH: searchPath(), LC_ALL: 'C', [TOKEN]: how.token },
    cwd: '/',
    stdio: ['ignore', fd, fd],
    detached: true,
  });
}

/** `ip netns exec` brings the namespace with its own /sys and /etc; each of these programs becomes the next one. */
function argvOf(
  { lab, namespace, service, hostname }: ServiceStart,
  command: readonly string[],
  { account, folder, token }: Launch,
): string[] {
  const own = (text: string) => text.replaceAll('{folder}', folder);
  const environment = {
    PATH: searchPath(),
    HOME: account.home,
    USER: account.name,
    TOPOWEAVE_NAMESPACE: namespace,
    ...Object.fromEntries(Object.entries(service.environment).map(([name, text]) => [name, own(text)])),
    [TOKEN]: token,
    [ARRIVED]: `${lab}/${namespace}/${service.name}`,
  };
  return [
    ...['/bin/sh', '-c', opening, 'topoweave'],
    ...(hostname === '' ? [] : withHostname(hostname)),
    ...(namespace === HOST ? [] : ['ip', 'netns', 'exec', namespace]),
    ...(account.uid === 0
      ? []
      : ['setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups', '--']),
    ...['env', '-i', `--chdir=${service.directory ?? folder}`, '--'],
    ...Object.entries(environment).map(([name, text]) => `${name}=${text}`),
    ...command.map(own),
  ];
}

interface Wait extends Launch {
  readonly process: Process | undefined;
  readonly ended: Ended;
  readonly signal: AbortSignal | undefined;
}

/** What went wrong, or undefined when the service is up. */
async function untilReady(start: ServiceStart, wait: Wait): Promise<string | undefined> {
  const { name, ready } = start.service;
  const title = `the service ${start.namespace}/${name}`;
  const { process, ended, signal } = wait;
  const arrival = performance.now() + ARRIVE;
  while (ended.reason === undefined && !hasArrived(process)) {
    if (performance.now() > arrival) return `${title} could not be started within ${ARRIVE / 1000} s`;
    await sleep(POLL / 5);
  }
  const from = performance.now();
  const deadline = from + (ready?.within ?? SETTLE);
  for (;;) {
    if (ended.reason !== undefined) return `${title} ended at once, ${ended.reason}`;
    if (ready !== undefined && process !== undefined && (await isReady(start, ready, { ...wait, process })))
      return ended.reason === undefined ? undefined : `${title} ended at once, ${ended.reason}`;
    if (signal?.aborted) return `interrupted before ${title} was ready`;
    if (performance.now() >= deadline) {
      if (ready === undefined) return undefined;
      return `${title} was not ready within ${ready.within / 1000} s (${readyText(ready)})`;
    }
    await sleep(POLL);
  }
}

function readyText({ tcp, udp, command }: Ready): string {
  const parts = [
    ...(tcp === undefined ? [] : [`nobody listens on TCP port ${tcp}`]),
    ...(udp === undefined ? [] : [`nobody listens on UDP port ${udp}`]),
    ...(command === undefined ? [] : [`'${command.join(' ')}' failed`]),
  ];
  return parts.join(', or ');
}

function hasArrived(process: Process | undefined): boolean {
  return process !== undefined && environmentOf(process.pid).includes(`\0${ARRIVED}=`);
}

async function isReady(
  start: ServiceStart,
  { tcp, udp, command }: Ready,
  wait: Wait & { readonly process: Process },
): Promise<boolean> {
  const { pid } = wait.process;
  if (tcp !== undefined && !isListening(pid, 'tcp', tcp)) return false;
  if (udp !== undefined && !isListening(pid, 'udp', udp)) return false;
  return command === undefined || succeeds(argvOf(start, command, wait), wait.token);
}

/** The kernel's tables of sockets, in the network namespace of the process (proc(5)): nobody is sent anything. */
function isListening(pid: number, protocol: 'tcp' | 'udp', port: number): boolean {
  // TCP_LISTEN and, for a UDP socket without a peer, TCP_CLOSE of net/tcp_states.h.
  const state = protocol === 'tcp' ? '0A' : '07';
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const line = new RegExp(`^\\s*\\d+: [0-9A-F]+:${hex} \\S+ ${state} `, 'm');
  return [protocol, `${protocol}6`].some((table) => line.test(readText(`/proc/${pid}/net/${table}`)));
}

function succeeds([program = '', ...args]: readonly string[], token: string): Promise<boolean> {
  countProcesses(1);
  const env = { PATH: searchPath(), LC_ALL: 'C', [TOKEN]: token };
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: 'ignore', cwd: '/', timeout: TRY, killSignal: 'SIGKILL' });
    child.on('error', () => resolve(false));
    child.on('exit', (code) => resolve(code === 0));
  });
}

/**
 * Stops a service: SIGTERM to all of its processes, and SIGKILL to those that are left when its time is over. Gives up its
 * record then.
 */
export async function stopService(lab: string, namespace: string, name: string): Promise<void> {
  const record = readServiceRecord(recordPath(lab, namespace, name));
  if (record === undefined) return;
  await stopProcesses(record);
  forgetRecord(record);
}

async function stopProcesses(record: ServiceRecord): Promise<void> {
  const deadline = performance.now() + record.stopWithin;
  let left = membersOf(record);
  signalAll(left, 'SIGTERM');
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(POLL);
    left = membersOf(record);
  }
  // One that is being killed can have started others in the meantime.
  for (let round = 0; left.length > 0; round += 1) {
    if (round === 200) {
      const pids = left.map(({ pid }) => pid).join(', ');
      throw new TopoweaveError(
        'service',
        `the service ${record.namespace}/${record.name} does not end, not even by SIGKILL: process ${pids}`,
      );
    }
    signalAll(left, 'SIGKILL');
    await sleep(POLL);
    left = membersOf(record);
  }
}

/** Right before the signal it is made sure that the number still means the same process. */
function signalAll(processes: readonly Process[], signal: NodeJS.Signals): void {
  for (const each of processes) {
    try {
      if (isSame(each)) process.kill(each.pid, signal);
    } catch {
      // It ended by itself.
    }
  }
}

/**
 * The processes of one start: those of its session, and those that have its token in their environment, which also what
 * left the session has. The kernel gives the number of a session to no other process as long as one is in it.
 */
function membersOf({ process, token }: ServiceRecord): Process[] {
  const all = listProcesses();
  const leader = process === undefined ? undefined : all.find(({ pid }) => pid === process.pid);
  const isOurSession =
    process !== undefined && isOfThisBoot(process) && (leader === undefined || leader.start === process.start);
  return all.filter(
    ({ pid, session }) =>
      (isOurSession && session === process.pid) || environmentOf(pid).includes(`\0${TOKEN}=${token}\0`),
  );
}

function isOfThisBoot({ boot, pidNamespace }: Process): boolean {
  const own = processOf(process.pid);
  return own !== undefined && own.boot === boot && own.pidNamespace === pidNamespace;
}

/** With a zero byte at each end, so that a whole entry can be looked for. */
function environmentOf(pid: number): string {
  return `\0${readText(`/proc/${pid}/environ`)}`;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Makes the service's own folder with its files. */
function makeFolder({ lab, namespace, service }: ServiceStart, { uid, gid }: Account): string {
  const path = folderOf(lab, namespace, service.name);
  let parent = '';
  for (const part of path.split('/').slice(1)) {
    parent = `${parent}/${part}`;
    if (parent === '/run') continue;
    const isOwn = parent === path;
    makePlainFolder(parent, isOwn ? 0o700 : 0o711, isOwn);
  }
  chownSync(path, uid, gid);
  for (const [name, text] of Object.entries(service.files)) {
    const file = join(path, name);
    rmSync(file, { force: true, recursive: true });
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const fd = openSync(file, flags, 0o600);
    try {
      writeSync(fd, text.replaceAll('{folder}', path));
      fchownSync(fd, uid, gid);
    } finally {
      closeSync(fd);
    }
  }
  return path;
}

function makePlainFolder(path: string, mode: number, isOwn: boolean): void {
  mkdirSync(path, { recursive: true, mode });
  const status = lstatSync(path);
  // What is in it belongs to the service's user, who may have been another one before.
  const isTrusted = isOwn || (status.uid === process.getuid?.() && (status.mode & 0o022) === 0);
  if (status.isDirectory() && isTrusted) return;
  throw new TopoweaveError('service-folder', `${path} can be written by others`, {
    hint: `look at it and remove it: rm -r ${path}`,
  });
}

export function folderOf(lab: string, namespace: string, name: string): string {
  return join(FOLDERS, lab, namespace, name);
}

/** A log of our own begins anew, and the one before is kept; one that the file names by a path goes on. */
function openLog({ lab, namespace, service }: ServiceStart): { readonly log: string; readonly fd: number } {
  const { O_WRONLY, O_CREAT, O_APPEND, O_EXCL, O_NOFOLLOW, O_NOCTTY } = constants;
  const flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NOCTTY;
  const log = logPath(lab, namespace, service);
  if (service.log !== undefined && isAbsolute(service.log)) return { log, fd: openSync(log, flags, 0o600) };
  privateFolder(logFolder(lab));
  try {
    renameSync(log, `${log}.old`);
  } catch {
    // The first start.
  }
  return { log, fd: openSync(log, flags | O_EXCL, 0o600) };
}

export function logPath(lab: string, namespace: string, { name, log }: Pick<Service, 'name' | 'log'>): string {
  if (log !== undefined && isAbsolute(log)) return log;
  return join(logFolder(lab), log === undefined ? `${namespace}:${name}.log` : `${namespace}:${log}`);
}

/** The last lines of a log, from its last kilobytes. */
export function lastLines(path: string, count: number): string[] {
  const size = 64 * 1024;
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return [];
  }
  try {
    const buffer = Buffer.alloc(size);
    const end = statSync(path).size;
    const read = readSync(fd, buffer, 0, size, Math.max(0, end - size));
    const lines = buffer.toString('utf8', 0, read).split('\n');
    if (lines.at(-1) === '') lines.pop();
    return count === 0 ? [] : lines.slice(-count);
  } finally {
    closeSync(fd);
  }
}

function endOfLog(path: string): string {
  const lines = lastLines(path, LOG_LINES);
  return lines.length === 0 ? `; its log ${path} is empty` : `; the end of ${path}:\n${lines.map((line) => `    | ${line}`).join('\n')}`;
}

/** What is kept of services that no topology has: their logs and folders; of the whole lab without one. */
export function forgetServices(lab: string, topology: Topology | undefined): void {
  const records = recordsOf(lab).map(({ record }) => record);
  const wanted = new Set<string>();
  for (const { name, services = [] } of topology?.namespaces ?? []) {
    for (const service of services) {
      wanted.add(logPath(lab, name, service)).add(`${logPath(lab, name, service)}.old`);
      wanted.add(folderOf(lab, name, service.name));
    }
  }
  for (const record of records) wanted.add(record.log).add(folderOf(lab, record.namespace, record.name));
  removeOthers(logFolder(lab), wanted);
  for (const namespace of namesIn(join(FOLDERS, lab))) removeOthers(join(FOLDERS, lab, namespace), wanted);
  removeEmpty(recordsFolder(lab));
  removeEmpty(join(FOLDERS, lab));
  removeEmpty(FOLDERS);
}

function removeOthers(folder: string, wanted: ReadonlySet<string>): void {
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    if (!wanted.has(path)) rmSync(path, { recursive: true, force: true });
  }
  removeEmpty(folder);
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Something is in it, or it is not there.
  }
}

function recordsOf(lab: string | undefined): { readonly path: string; readonly record: ServiceRecord }[] {
  const folders =
    lab === undefined
      ? namesIn('/run/topoweave').filter((name) => name.endsWith('.services'))
      : [`${lab}.services`];
  return folders.flatMap((folder) =>
    namesIn(join('/run/topoweave', folder)).flatMap((name) => {
      const path = join('/run/topoweave', folder, name);
      const record = name.endsWith('.json') ? readServiceRecord(path) : undefined;
      return record === undefined ? [] : [{ path, record }];
    }),
  );
}

function readServiceRecord(path: string): ServiceRecord | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      // A border: the folder is root's, but the file may be of another version.
      const value = JSON.parse(readFileSync(fd, 'utf8')) as Partial<ServiceRecord>;
      return value.version === 1 ? (value as ServiceRecord) : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

function writeRecord(record: ServiceRecord): void {
  privateFolder(recordsFolder(record.lab));
  writePrivateFile(recordPath(record.lab, record.namespace, record.name), `${JSON.stringify(record, null, 1)}\n`);
}

function forgetRecord({ lab, namespace, name }: ServiceRecord): void {
  try {
    unlinkSync(recordPath(lab, namespace, name));
  } catch {
    // It is gone already.
  }
}

function privateFolder(folder: string): void {
  recordFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const status = lstatSync(folder);
  if (status.isDirectory() && status.uid === process.getuid?.() && (status.mode & 0o077) === 0) return;
  throw new TopoweaveError('service-folder', `${folder} is open to others`, {
    hint: `look at it and remove it: rm -r ${folder}`,
  });
}

function recordsFolder(lab: string): string {
  return `/run/topoweave/${lab}.services`;
}

function logFolder(lab: string): string {
  return `/run/topoweave/${lab}.logs`;
}

/** A slash is in neither name. */
function recordPath(lab: string, namespace: string, name: string): string {
  return join(recordsFolder(lab), `${namespace}:${name}.json`);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** The logs that a lab's own folder has, by NAMESPACE/SERVICE: a service that could not be started has one too. */
export function knownLogs(lab: string): [string, string][] {
  return namesIn(logFolder(lab)).flatMap((name): [string, string][] => {
    const [, namespace, service] = /^([^:]+):(.+)\.log$/.exec(name) ?? [];
    return namespace === undefined ? [] : [[`${namespace}/${service}`, join(logFolder(lab), name)]];
  });
}
