import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import type { ServiceCommand } from '../kinds/resource.ts';
import { UnavailableError } from '../lib/errors.ts';
import type { Plan } from '../plan/step.ts';
import { type Account, findUser } from '../system/accounts.ts';
import { packages, searchPath } from '../system/run.ts';
import { writerPrograms } from '../system/services/log-writer.ts';
import { checkOwnLog, limitOf } from '../system/services/open-log.ts';
import { FOLDERS } from '../system/services/paths.ts';
import { HOST, type Service } from '../topology/model.ts';

type Start = Extract<ServiceCommand, { readonly action: 'start' }>;

/** The services that a plan starts. */
export function startsOf({ batches }: Plan): Start[] {
  return batches.flatMap(({ tool, commands }) =>
    tool === 'service'
      ? commands.flatMap(({ command }) =>
          command.tool === 'service' && command.action === 'start' ? [command] : [],
        )
      : [],
  );
}

/** Programs in front of a service, and those that write its log. */
export function toolsOfService({ namespace, service, hostname }: Start): string[] {
  const hasOwnRights = service.user !== undefined || service.capabilities !== undefined;
  return [
    ...['sh', 'env'],
    ...(namespace === HOST ? [] : ['ip']),
    ...(hostname === '' ? [] : ['unshare']),
    ...(hasOwnRights ? ['setpriv'] : []),
    ...(limitOf(service) === undefined ? [] : writerPrograms),
  ];
}

/**
 * The program of a service, its users, its folder and its log, as far as that can be known before its own folder is there.
 *
 * @throws UnavailableError naming what is missing; TopoweaveError for a log that is refused.
 */
export function requireService({ namespace, service }: Start): void {
  const title = `the service ${namespace}/${service.name}`;
  const account = requireUser(service.user ?? 'root', title);
  if (service.owner !== undefined) requireUser(service.owner, title);
  requireFolder(service, title);
  if (service.log !== undefined && isAbsolute(service.log)) checkOwnLog(service.log, service);
  for (const command of [service.command, service.ready?.command ?? []]) {
    const [program] = command;
    const problem = program === undefined ? undefined : problemOf(program, service, account);
    if (problem === undefined) continue;
    const provider = packages[basename(program ?? '')];
    throw new UnavailableError(
      'missing-program',
      `${problem.replace('%', `the program '${program}' of ${title}`)}; nothing was changed`,
      provider === undefined ? undefined : `install it with: apt-get install ${provider}`,
    );
  }
}

function requireUser(name: string, title: string): Account {
  const account = findUser(name);
  if (account !== undefined) return account;
  throw new UnavailableError(
    'missing-user',
    `there is no user ${name} on this machine, who is named for ${title}; nothing was changed`,
  );
}

/** One that waits for others may find a folder that they make. */
function requireFolder({ directory, after }: Service, title: string): void {
  if (directory === undefined || after.length > 0 || directory.startsWith(FOLDERS)) return;
  if (statusOf(directory)?.isDirectory() === true) return;
  throw new UnavailableError(
    'missing-folder',
    `there is no folder ${directory}, which ${title} is to start in; nothing was changed`,
    `make it: mkdir -p ${directory}`,
  );
}

/** What is wrong with a program, with % for its name; undefined also where it cannot be known yet. */
function problemOf(program: string, service: Service, account: Account): string | undefined {
  const paths = candidates(program, service);
  if (paths === undefined) return undefined;
  const problems = paths.map((path) => problemAt(path, service, account));
  if (problems.includes(undefined)) return undefined;
  return problems.find((problem) => problem !== NOT_THERE) ?? NOT_THERE;
}

const NOT_THERE = '% is not installed';

/** Where a program is looked for; undefined where that is a folder that a service makes, or knows when it runs. */
function candidates(
  program: string,
  { directory, environment, after }: Service,
): readonly string[] | undefined {
  if (program.includes('{folder}') || program.startsWith(FOLDERS)) return undefined;
  if (program.includes('/')) {
    if (isAbsolute(program)) return [program];
    return directory === undefined || after.length > 0 ? undefined : [join(directory, program)];
  }
  const folders = (environment['PATH'] ?? searchPath()).split(':');
  const isKnown = folders.every((folder) => isAbsolute(folder) && !folder.startsWith(FOLDERS));
  return isKnown ? folders.map((folder) => join(folder, program)) : undefined;
}

function problemAt(path: string, service: Service, account: Account): string | undefined {
  const status = statusOf(path);
  if (status === undefined) return NOT_THERE;
  if (status.isDirectory()) return `% is a folder: ${path}`;
  if (!status.isFile()) return NOT_THERE;
  if ((status.mode & 0o111) === 0) return `% is not executable: ${path}`;
  const closed = closedTo(path, service, account);
  if (closed !== undefined) return `% is not open to the user ${account.name}: ${closed}`;
  const interpreter = interpreterOf(path);
  if (interpreter === undefined || statusOf(interpreter)?.isFile() === true) return undefined;
  return `% is a script for ${interpreter}, which is not installed`;
}

/** Which file or folder on the way keeps a user out. Of groups and access control lists, more is allowed than may be. */
function closedTo(path: string, { capabilities = [] }: Service, account: Account): string | undefined {
  const mayAll = capabilities.includes('dac_override') || capabilities.includes('dac_read_search');
  if (account.uid === 0 || mayAll) return undefined;
  for (let part = path; ; part = dirname(part)) {
    const status = statusOf(part);
    const isOpen = status !== undefined && (status.mode & (status.uid === account.uid ? 0o100 : 0o011)) !== 0;
    if (!isOpen) return part;
    if (part === '/') return undefined;
  }
}

/** The program in the first line of a script (execve(2)), and that of `#!/usr/bin/env PROGRAM`. */
function interpreterOf(path: string): string | undefined {
  const [, program, argument] = /^#![ \t]*(\S+)(?:[ \t]+(\S+))?/.exec(startOf(path)) ?? [];
  if (program === undefined || !isAbsolute(program)) return undefined;
  if (basename(program) !== 'env' || argument === undefined || !/^[A-Za-z0-9_.+-]+$/.test(argument))
    return program;
  if (argument.startsWith('-')) return program;
  const found = searchPath()
    .split(':')
    .map((folder) => join(folder, argument))
    .find((each) => statusOf(each)?.isFile() === true);
  return found ?? argument;
}

function startOf(path: string): string {
  try {
    accessSync(path, constants.R_OK);
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const buffer = Buffer.alloc(256);
      return buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0));
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
}

function statusOf(path: string) {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
