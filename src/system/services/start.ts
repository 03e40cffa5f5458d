import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync } from 'node:fs';
import { TopoweaveError } from '../../lib/errors.ts';
import { messageOf } from '../../lib/system-error.ts';
import { takeTurns } from '../../lib/turns.ts';
import { type Account, findUser } from '../accounts.ts';
import { identityOf, type Process } from '../processes.ts';
import { makeFolder } from './folder.ts';
import { launch, type ServiceStart } from './launch.ts';
import { endOfLog } from './log.ts';
import { startLogWriter } from './log-writer.ts';
import { closeLog, limitOf, openLog } from './open-log.ts';
import { pipePath } from './paths.ts';
import { type Ended, untilArrived, untilReady, type Wait } from './ready.ts';
import { forgetServiceRecord, type ServiceRecord, writeServiceRecord } from './record.ts';
import { stopProcesses } from './stop.ts';

/** Several at once wait for each other in the kernel: each gets a mount namespace of its own. */
const launching = takeTurns(32);

/**
 * Starts a program and waits until it is ready, or, where nothing says when that is, has run for a moment. It lives on when
 * topoweave ends: a session of its own, no terminal, its log as its output.
 *
 * @throws TopoweaveError with the end of its log, when it ends at once or is not ready in time; it is stopped then.
 */
export async function startService(start: ServiceStart, signal?: AbortSignal): Promise<void> {
  const { service } = start;
  const account = requireUser(service.user ?? 'root');
  const folder = makeFolder(start, service.owner === undefined ? account : requireUser(service.owner));
  const { record, wait, late } = await launching(() => begin(start, { account, folder, signal }));
  const problem = late ?? (await untilReady(start, wait));
  if (problem === undefined) return;
  await stopProcesses(record);
  forgetServiceRecord(record);
  throw new TopoweaveError('service', `${problem}${endOfLog(record.log)}`);
}

interface Beginning {
  readonly record: ServiceRecord;
  readonly wait: Wait;
  readonly late: string | undefined;
}

/** Starts the programs in front of the service, and waits for it. What they are is written down before and behind that. */
async function begin(
  start: ServiceStart,
  how: { readonly account: Account; readonly folder: string; readonly signal: AbortSignal | undefined },
): Promise<Beginning> {
  const { lab, namespace, service, attributes } = start;
  const { name, stopWithin } = service;
  const { log, fd, writer } = await openOutput(start);
  const token = randomUUID();
  const record: ServiceRecord = {
    ...{ version: 1, lab, namespace, name, attributes, log, stopWithin, token },
    ...(writer === undefined ? {} : { writer }),
  };
  let child: ChildProcess;
  try {
    writeServiceRecord(record);
    child = launch(start, { ...how, token, fd });
  } finally {
    closeSync(fd);
  }
  const ended = endOf(child);
  const process = child.pid === undefined ? undefined : identityOf(child.pid);
  const started: ServiceRecord = process === undefined ? record : { ...record, process };
  writeServiceRecord(started);
  child.unref();
  const wait: Wait = { ...how, token, process, ended };
  return { record: started, wait, late: await untilArrived(start, wait) };
}

/** Where the service writes: its log, or what keeps that below its limit. */
async function openOutput(start: ServiceStart): Promise<{ log: string; fd: number; writer?: Process }> {
  const log = openLog(start);
  const limit = limitOf(start.service);
  if (limit === undefined) {
    closeSync(log.folder);
    return { log: log.path, fd: log.fd };
  }
  try {
    const pipe = pipePath(start.lab, start.namespace, start.service.name);
    const { fd, process } = await startLogWriter(log, { limit, pipe });
    return { log: log.path, fd, ...(process === undefined ? {} : { writer: process }) };
  } finally {
    closeLog(log);
  }
}

function requireUser(name: string): Account {
  const account = findUser(name);
  if (account === undefined) throw new TopoweaveError('service', `there is no user ${name} on this machine`);
  return account;
}

function endOf(child: ChildProcess): Ended {
  const ended: Ended = { reason: undefined };
  child.on('error', (error) => {
    ended.reason = `before it began: ${messageOf(error)}`;
  });
  child.on('exit', (code, signal) => {
    ended.reason = signal === null ? `with exit code ${code}` : `by signal ${signal}`;
  });
  return ended;
}
