import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { TopoweaveError, UsageError } from '../../lib/errors.ts';
import { exitCodes } from '../../lib/exit-codes.ts';
import type { LiveService } from '../../observe/live.ts';
import { formatTable } from '../../report/table.ts';
import { knownLogs, lastLines, readServices } from '../../system/services.ts';
import type { Io, RunCommand } from '../command.ts';
import { optionalFiles } from '../files.ts';
import { requireRoot, resolveLabName } from '../lab.ts';

/** Milliseconds between two looks at a log that is followed. */
const INTERVAL = 200;
const PORTION = 64 * 1024;

export const run: RunCommand = async (context, { args, options }) => {
  const { io } = context;
  const [file, wanted] = args.map((word) => (word === undefined ? undefined : String(word)));
  const choice = optionalFiles(io, file, {});
  if (choice === undefined) throw new UsageError('give the name of a lab', "'topoweave status' lists the labs");
  const lines = options['lines'] === undefined ? undefined : Number(options['lines']);
  if (lines !== undefined && !(Number.isInteger(lines) && lines >= 0))
    throw new UsageError(`'${options['lines']}' is not a number of lines`);
  const lab = await resolveLabName(context, choice);
  requireRoot();
  const services = readServices(lab);
  if (wanted === undefined) return list(io, lab, services, options['json'] === true);
  const found = find(lab, services, wanted);
  const path = options['previous'] ? `${found}.old` : found;
  if (options['json']) {
    const log = lines === undefined ? readAll(path) : lastLines(path, lines);
    io.stdout(`${JSON.stringify({ schemaVersion: 1, lab, path, lines: log }, null, 2)}\n`);
    return exitCodes.done;
  }
  return print(io, path, { lines, follow: options['follow'] === true });
};

function list(io: Io, lab: string, services: readonly LiveService[], isJson: boolean): number {
  if (isJson) {
    const known = services.map(({ namespace, name, state, log }) => ({ namespace, name, state, log }));
    io.stdout(`${JSON.stringify({ schemaVersion: 1, lab, services: known }, null, 2)}\n`);
  } else if (services.length === 0) {
    io.stdout(`Lab '${lab}' has no services.\n`);
  } else {
    const rows = services.map(({ namespace, name, state, log }) => [`${namespace}/${name}`, state, log]);
    io.stdout(formatTable(['SERVICE', 'STATE', 'LOG'], rows));
  }
  return exitCodes.done;
}

/** The log of a service by its name: of those that run, and of those that could not be started. */
function find(lab: string, services: readonly LiveService[], wanted: string): string {
  const logs = new Map(knownLogs(lab));
  for (const { namespace, name, log } of services) logs.set(`${namespace}/${name}`, log);
  const names = [...logs.keys()].sort();
  const matching = names.filter((name) => name === wanted || name.endsWith(`/${wanted}`));
  const [name] = matching;
  if (name !== undefined && matching.length === 1) return logs.get(name) ?? '';
  throw new TopoweaveError(
    'no-service',
    matching.length > 1
      ? `several namespaces of lab '${lab}' have a service ${wanted}: ${matching.join(', ')}`
      : `lab '${lab}' has no service ${wanted}`,
    {
      hint:
        matching.length > 1
          ? `name one: topoweave logs ${lab} ${matching[0]}`
          : names.length === 0
            ? 'it has none'
            : `there are: ${names.join(', ')}`,
    },
  );
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
  let fd = open(path);
  let at = 0;
  if (lines === undefined) at = copy(fd, 0, io.stdout, follow);
  else {
    at = statSync(path).size;
    const last = lastLines(path, lines);
    if (last.length > 0) io.stdout(`${last.join('\n')}\n`);
    if (!follow) closeSync(fd);
  }
  while (follow) {
    await sleep(INTERVAL);
    const { ino, size } = fstatSync(fd);
    // Somebody emptied it.
    if (size < at) at = 0;
    at = copy(fd, at, io.stdout, true);
    const now = inodeOf(path);
    if (now === undefined || now === ino) continue;
    // The service was started again.
    closeSync(fd);
    fd = open(path);
    at = 0;
  }
  return exitCodes.done;
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
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
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
  for (let read = readSync(fd, buffer, 0, PORTION, at); read > 0; read = readSync(fd, buffer, 0, PORTION, at)) {
    write(decoder.decode(buffer.subarray(0, read), { stream: true }));
    at += read;
  }
  if (!stay) closeSync(fd);
  return at;
}
