// Who is measured. A candidate makes its files for a case once, untimed, and then runs the case again and again: `run`
// returns for each operation { wall, cpu, peak, processes, messages }, or calls `checkpoint` while the lab is there.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeScripts } from './hand-written.mjs';
import { measure } from './measure.mjs';
import { readings } from './recording.mjs';
import { rest, settle } from './settle.mjs';
import { topology, withOneAddressMore } from './topology.mjs';

export const cli = resolve('dist/topoweave.js');
const here = import.meta.dirname;
const debianPython = '/usr/bin/python3';

/** All candidates that this machine has, in the order of the page's tables. */
export function findCandidates() {
  return [
    topoweave('netlink'),
    topoweave('ip'),
    handWritten(),
    floor(),
    ...(mininetVersion() === undefined ? [] : [mininet()]),
  ];
}

/** Debian's version of Mininet, or undefined. */
export function mininetVersion() {
  const code = 'import mininet.net as n; print(n.VERSION)';
  try {
    return execFileSync(debianPython, ['-c', code], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return undefined;
  }
}

function topoweave(engine) {
  const env = { TOPOWEAVE_ENGINE: engine };
  return {
    key: engine,
    title: `topoweave, ${engine}`,
    takes: (entry) => !entry.without?.includes(engine),
    prepare: (description, folder) => ({ ...writeTopologies(description, folder), description }),
    async run({ file, changed, description }, checkpoint) {
      const create = run('apply', file);
      checkpoint();
      await rest(description);
      return {
        create,
        plan: run('plan', '--detailed-exitcode', file),
        change: run('apply', changed),
        destroy: run('destroy', file),
      };
    },
  };

  function run(...args) {
    const result = measure([process.execPath, cli, ...args], { ...env, TOPOWEAVE_COUNT: '1', CI: '1' });
    return { ...result, processes: count(result, 'processes started'), messages: messagesSent(result) };
  }
}

function writeTopologies(description, folder) {
  const file = join(folder, 'lab.yaml');
  const changed = join(folder, 'changed.yaml');
  writeFileSync(file, topology(description));
  writeFileSync(changed, topology(withOneAddressMore(description)));
  return { file, changed };
}

function handWritten() {
  // It starts no threads, so each new number of a process is a process.
  const run = (script) => {
    const result = measure(['sh', script]);
    return { ...result, processes: result.pids };
  };
  return {
    key: 'script',
    title: 'hand-written script',
    takes: () => true,
    prepare: (description, folder) => writeScripts(description, folder),
    run(scripts, checkpoint) {
      const create = run(scripts.create);
      checkpoint();
      return { create, destroy: run(scripts.destroy) };
    },
  };
}

/** With the recording of topoweave's netlink engine. */
function floor() {
  const program = join(here, 'floor.mjs');
  const run = (recording) => {
    const result = measure([process.execPath, program, recording]);
    return { ...result, processes: 0, messages: messagesSent(result) };
  };
  return {
    key: 'floor',
    title: 'floor',
    takes: () => true,
    prepare: async (description, folder) => {
      const recordings = { create: join(folder, 'create.rec'), destroy: join(folder, 'destroy.rec') };
      await record(description, folder, recordings);
      const plan = join(folder, 'plan.rec');
      writeFileSync(plan, readings(['', ...Object.keys(description.namespaces)]));
      return { ...recordings, plan, description };
    },
    async run(recordings, checkpoint) {
      const create = run(recordings.create);
      checkpoint();
      await rest(recordings.description);
      return { create, plan: run(recordings.plan), destroy: run(recordings.destroy) };
    },
  };
}

async function record(description, folder, recordings) {
  const { file } = writeTopologies(description, folder);
  const topoweaveRun = (path, ...args) =>
    measure([process.execPath, cli, ...args], {
      CI: '1',
      TOPOWEAVE_ENGINE: 'netlink',
      TOPOWEAVE_RECORD: path,
    });
  topoweaveRun(recordings.create, 'apply', file);
  topoweaveRun(recordings.destroy, 'destroy', file);
  for (const path of Object.values(recordings))
    if (!existsSync(path)) throw new Error(`topoweave wrote no recording ${path}`);
  await settle();
}

function mininet() {
  return {
    key: 'mininet',
    title: 'Mininet',
    takes: (entry) => entry.mininet === true,
    prepare(description, folder) {
      const file = join(folder, 'description.json');
      writeFileSync(file, JSON.stringify(description));
      return file;
    },
    run(file) {
      const output = execFileSync(debianPython, [join(here, 'mininet_lab.py'), file], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      return Object.fromEntries(
        Object.entries(JSON.parse(output)).map(([key, value]) => [key, { ...value, processes: value.pids }]),
      );
    },
  };
}

/** Makes a candidate's files for a case, in a folder of its own. */
export async function prepare(candidate, description, folder) {
  const own = join(folder, description.name, candidate.key);
  mkdirSync(own, { recursive: true });
  return candidate.prepare(description, own);
}

function messagesSent(result) {
  return count(result, 'messages sent');
}

/** A number that a program prints on its standard error, such as `processes started: 5`. */
function count({ stderr }, what) {
  const found = new RegExp(`^${what}: (\\d+)$`, 'm').exec(stderr)?.[1];
  return found === undefined ? undefined : Number(found);
}
