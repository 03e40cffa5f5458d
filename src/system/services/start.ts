import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync } from 'node:fs';
import { TopoweaveError } from '../../lib/errors.ts';
import { type Account, findUser } from '../accounts.ts';
import { identityOf } from '../processes.ts';
import { makeFolder } from './folder.ts';
import { launch, type ServiceStart } from './launch.ts';
import { endOfLog, openLog } from './log.ts';
import { type Ended, untilReady } from './ready.ts';
import { forgetServiceRecord, type ServiceRecord, writeServiceRecord } from './record.ts';
import { stopProcesses } from './stop.ts';

/**
 * Starts a program and waits until it is ready, or, where nothing says when that is, has run for a moment. It lives on when
 * topoweave ends: a session of its own, no terminal, its log as its output.
 *
 * @throws TopoweaveError with the end of its log, when it ends at once or is not ready in time; it is stopped then.
 */
export async function startService(start: ServiceStart, signal?: AbortSignal): Promise<void> {
  const { lab, namespace, service, attributes } = start;
  const account = requireUser(service.user ?? 'root');
  const folder = makeFolder(start, service.owner === undefined ? account : requireUser(service.owner));
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
  writeServiceRecord(record);
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
  writeServiceRecord(started);
  child.unref();
  const problem = await untilReady(start, { account, folder, token, process, ended, signal });
  if (problem === undefined) return;
  await stopProcesses(started);
  forgetServiceRecord(started);
  throw new TopoweaveError('service', `${problem}${endOfLog(log)}`);
}

function requireUser(name: string): Account {
  const account = findUser(name);
  if (account === undefined) throw new TopoweaveError('service', `there is no user ${name} on this machine`);
  return account;
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
