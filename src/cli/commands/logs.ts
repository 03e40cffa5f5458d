import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { TopoweaveError, UsageError } from '../../lib/errors.ts';
import { exitCodes } from '../../lib/exit-codes.ts';
import type { LiveService } from '../../observe/live.ts';
import { formatTable } from '../../report/table.ts';
import { type KnownLog, knownLogs, lastLines, READ_FLAGS } from '../../system/services/log.ts';
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
  copy(open(path), 0, (text) => parts.push(text));
  const lines = parts.join('').split('\n');
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

interface Printing {
  readonly lines: number | undefined;
  readonly follow: boolean;
}

async function print(io: Io, path: string, { lines, follow }: Printing): Promise<number> {
  const fd = open(path);
  if (lines === undefined) {
    const end = copy(fd, 0, io.raw ?? io.stdout, follow);
    if (follow) await followLog(io, path, { fd, at: end });
    return exitCodes.done;
  }
  const end = fstatSync(fd).size;
  const last = lastLines(path, lines);
  if (last.length > 0) (io.raw ?? io.stdout)(`${last.join('\n')}\n`);
  if (follow) await followLog(io, path, { fd, at: end });
  else closeSync(fd);
  return exitCodes.done;
}

/** Goes on with what is written, also to the log of the next start, until there is none any more. */
async function followLog(
  io: Io,
  path: string,
  from: { readonly fd: number; readonly at: number },
): Promise<void> {
  let { fd, at } = from;
  for (let missing = 0; missing < PATIENCE; ) {
    await sleep(INTERVAL);
    const now = inodeOf(path);
    const { ino, size } = fstatSync(fd);
    // Somebody emptied it.
    if (size < at) at = 0;
    at = copy(fd, at, io.raw ?? io.stdout, true);
    missing = now === undefined ? missing + 1 : 0;
    if (now === undefined || now === ino) continue;
    closeSync(fd);
    fd = open(path);
    at = 0;
  }
  closeSync(fd);
}

function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}

function open(path: string): number {
  try {
    return openSync(path, READ_FLAGS);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new TopoweaveError(
      'no-log',
      code === 'ENOENT' ? `there is no log ${path}` : `cannot read ${path}: ${code}`,
    );
  }
}

/** Hands on what is in a file from a position, and gives back where it ends. */
function copy(fd: number, from: number, write: (text: string) => void, stay = false): number {
  const buffer = Buffer.alloc(PORTION);
  const decoder = new TextDecoder();
  let at = from;
  for (
    let read = readSync(fd, buffer, 0, PORTION, at);
    read > 0;
    read = readSync(fd, buffer, 0, PORTION, at)
  ) {
    write(decoder.decode(buffer.subarray(0, read), { stream: true }));
    at += read;
  }
  if (!stay) closeSync(fd);
  return at;
}
