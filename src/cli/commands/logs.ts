import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { TopoweaveError, UsageError } from '../../lib/errors.ts';
import { exitCodes } from '../../lib/exit-codes.ts';
import type { LiveService } from '../../observe/live.ts';
import { formatTable } from '../../report/table.ts';
import {
  inodeOf,
  type KnownLog,
  knownLogs,
  lastLines,
  openPiece,
  openPieces,
  type Piece,
  READ_FLAGS,
} from '../../system/services/log.ts';
import { filesOfLog } from '../../system/services/paths.ts';
import { readServices } from '../../system/services/record.ts';
import type { Io, RunCommand } from '../command.ts';
import { requireRoot } from '../lab.ts';

/** Milliseconds between two looks at a log that is followed. */
const INTERVAL = 200;
/** So many looks in which there is no log: the lab is gone. */
const PATIENCE = 10;
const PORTION = 64 * 1024;

export const run: RunCommand = async ({ io }, { args, options }) => {
  const wanted = args[0] === undefined ? undefined : String(args[0]);
  const lines = options['lines'] === undefined ? undefined : Number(options['lines']);
  if (lines !== undefined && !(Number.isInteger(lines) && lines >= 0))
    throw new UsageError(`'${options['lines']}' is not a number of lines`);
  requireRoot();
  const lab = options['lab'] === undefined ? undefined : String(options['lab']);
  if (lab !== undefined && !/^[a-z][a-z0-9-]*$/.test(lab))
    throw new UsageError(`'${lab}' is not the name of a lab`);
  const isJson = options['json'] === true;
  const services = readServices(lab);
  if (wanted === undefined) return list(io, withEnded(services, lab), isJson);
  const found = find(services, { wanted, lab });
  const path = options['previous'] ? `${found.log}.old` : found.log;
  if (isJson) {
    const { lab: owner, namespace, name } = found;
    const log = lines === undefined ? readAll(path) : lastLines(path, lines);
    const text = { schemaVersion: 1, lab: owner, namespace, name, path, lines: log };
    io.stdout(`${JSON.stringify(text, null, 2)}\n`);
    return exitCodes.done;
  }
  return print(io, path, { lines, follow: options['follow'] === true });
};

interface Listed extends KnownLog {
  readonly state: string;
}

/** One that ended while it was being started is no service of the machine, but its log says why. */
function withEnded(services: readonly LiveService[], lab: string | undefined): Listed[] {
  const keyOf = ({ lab: owner, namespace, name }: KnownLog) => `${owner}/${namespace}/${name}`;
  const running = new Set(services.map(keyOf));
  const ended = knownLogs(lab).filter((log) => !running.has(keyOf(log)));
  return [...services, ...ended.map((log) => ({ ...log, state: 'not running' }))];
}

function list(io: Io, services: readonly Listed[], isJson: boolean): number {
  if (isJson) {
    const known = services.map(({ lab, namespace, name, state, log }) => ({
      lab,
      namespace,
      name,
      state,
      log,
    }));
    io.stdout(`${JSON.stringify({ schemaVersion: 1, services: known }, null, 2)}\n`);
  } else if (services.length === 0) {
    io.stdout('No services.\n');
  } else {
    const rows = services.map(({ lab, namespace, name, state, log }) => [
      `${namespace}/${name}`,
      lab,
      state,
      log,
    ]);
    io.stdout(formatTable(['SERVICE', 'LAB', 'STATE', 'LOG'], rows));
  }
  return exitCodes.done;
}

interface Wanted {
  readonly wanted: string;
  readonly lab: string | undefined;
}

/** The log of a service by its name: of those that were started, and of those that could not be. */
function find(services: readonly LiveService[], { wanted, lab }: Wanted): KnownLog {
  const logs = new Map<string, KnownLog>();
  for (const each of [...knownLogs(lab), ...services])
    logs.set(`${each.lab}/${each.namespace}/${each.name}`, each);
  const known = [...logs.values()];
  const matching = known.filter(({ namespace, name }) => [`${namespace}/${name}`, name].includes(wanted));
  const [found] = matching;
  if (found !== undefined && matching.length === 1) return found;
  const where = lab === undefined ? 'there is' : `lab '${lab}' has`;
  if (found === undefined)
    throw new TopoweaveError('no-service', `${where} no service ${wanted}`, {
      hint: known.length === 0 ? 'no lab on this machine has services' : `services are ${listOf(known)}`,
    });
  const labs = new Set(matching.map((each) => each.lab));
  throw new TopoweaveError('no-service', `several services are called ${wanted}`, {
    hint:
      labs.size === matching.length && labs.size > 1
        ? `say which lab: --lab ${[...labs].sort().join(' or ')}`
        : `name one: ${listOf(matching)}`,
  });
}

function listOf(logs: readonly KnownLog[]): string {
  const names = [...new Set(logs.map(({ namespace, name }) => `${namespace}/${name}`))].sort();
  return names.join(', ');
}

function readAll(path: string): string[] {
  const parts: string[] = [];
  const copy = copier((text) => parts.push(text));
  for (const { fd } of open(path)) {
    copy(fd, 0);
    closeSync(fd);
  }
  const lines = parts.join('').split('\n');
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

interface Printing {
  readonly lines: number | undefined;
  readonly follow: boolean;
}

async function print(io: Io, path: string, { lines, follow }: Printing): Promise<number> {
  const pieces = open(path);
  const write = io.raw ?? io.stdout;
  const copy = copier(write);
  let at = pieces.at(-1)?.size ?? 0;
  if (lines === undefined) {
    for (const { fd } of pieces) at = copy(fd, 0);
  } else {
    const last = lastLines(path, lines);
    if (last.length > 0) write(`${last.join('\n')}\n`);
  }
  const current = pieces.pop();
  for (const { fd } of pieces) closeSync(fd);
  if (current === undefined) return exitCodes.done;
  if (follow) await followLog(io, path, { fd: current.fd, at, copy });
  else closeSync(current.fd);
  return exitCodes.done;
}

interface Following {
  readonly fd: number;
  readonly at: number;
  readonly copy: Copy;
}

/** Goes on with what is written, also to further pieces and to the log of the next start, until there is none any more. */
async function followLog(io: Io, path: string, { copy, ...from }: Following): Promise<void> {
  let { fd, at } = from;
  let isLate = false;
  for (let missing = 0; missing < PATIENCE && io.stdoutIsOver?.() !== true; ) {
    if (!isLate) await sleep(INTERVAL);
    const names = filesOfLog(path);
    const inodes = names.map(inodeOf);
    const { ino, size } = fstatSync(fd);
    // Somebody emptied it.
    if (size < at) at = 0;
    at = copy(fd, at);
    missing = inodes.at(-1) === undefined ? missing + 1 : 0;
    const next = nextFile(inodes, ino);
    const found = next === undefined ? undefined : openPiece(names[next] ?? path);
    isLate = found !== undefined;
    if (found === undefined) continue;
    // Another piece was begun just then: its place in the row is another one now.
    const isOther = found.ino !== inodes[next ?? 0];
    closeSync(isOther ? found.fd : fd);
    if (isOther) continue;
    if (!inodes.includes(ino) && inodes[2] !== undefined)
      io.stderr('note: lines are missing here: more was printed than its log-limit keeps\n');
    fd = found.fd;
    at = 0;
  }
  closeSync(fd);
}

/** Which of the files of a log comes behind one; behind one that is gone, the earlier piece of this start. */
function nextFile(inodes: readonly (number | undefined)[], ino: number): number | undefined {
  const at = inodes.indexOf(ino);
  const from = at === -1 ? inodes.length - 2 : at + 1;
  for (let index = from; index < inodes.length; index += 1) if (inodes[index] !== undefined) return index;
  return undefined;
}

/** A log with the piece before it. */
function open(path: string): Piece[] {
  const pieces = openPieces(path);
  if (pieces.length > 0) return pieces;
  try {
    closeSync(openSync(path, READ_FLAGS));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw new TopoweaveError('no-log', `cannot read ${path}: ${code}`);
  }
  throw new TopoweaveError('no-log', `there is no log ${path}`);
}

type Copy = (fd: number, from: number) => number;

/** Hands on what is in a file from a position, and gives back where it ends; a character may go on in the next piece. */
function copier(write: (text: string) => void): Copy {
  const decoder = new TextDecoder();
  const buffer = Buffer.alloc(PORTION);
  return (fd, from) => {
    let at = from;
    for (
      let read = readSync(fd, buffer, 0, PORTION, at);
      read > 0;
      read = readSync(fd, buffer, 0, PORTION, at)
    ) {
      write(decoder.decode(buffer.subarray(0, read), { stream: true }));
      at += read;
    }
    return at;
  };
}
