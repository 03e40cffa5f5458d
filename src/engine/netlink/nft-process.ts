import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { errnoOf, messageOf } from '../../lib/system-error.ts';
import { inheritedLock } from '../../system/lock.ts';
import { countProcesses, searchPath } from '../../system/run.ts';
import { NeedsProgram, SystemCallError } from './errors.ts';
import { loadLibc } from './libc.ts';
import type { NftAnswer } from './libnftables.ts';
import { readFrame, writeFrame } from './nft-frame.ts';
import type { NftQuestion } from './nft-helper.ts';

/** So many programs take as long as the helper takes to start: 3 ms each, and 70. */
const FEW = 16;

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;

/** What nft may print of a large table. */
const MOST_OUTPUT = 1024 * 1024 * 1024;

let calls = 0;
/** Our end of the helper's sockets. */
let helper: number | undefined;

/**
 * Runs a script of nft in the namespace that the thread is in, in another process: the library of nft ends the process
 * that it is in where it can get no socket. The first ones by the program; a large lab gets a helper that stays. Where
 * the helper ends, the program says why.
 *
 * @throws NeedsProgram where there is neither program nor helper; the system's error where none can be started.
 */
export function runAside(script: string, json: boolean): NftAnswer {
  calls += 1;
  if (calls > FEW) {
    const answer = askHelper({ script, json });
    if (answer !== undefined) return answer;
  }
  const answer = runProgram(script, json) ?? askHelper({ script, json });
  if (answer === undefined) throw new NeedsProgram("the program 'nft' is not installed");
  return answer;
}

/** Lets the helper go. */
export function releaseNft(): void {
  if (helper !== undefined) closeSync(helper);
  helper = undefined;
  calls = 0;
}

/** A child is in the namespace of the thread that starts it. Undefined where the program is not there. */
function runProgram(script: string, json: boolean): NftAnswer | undefined {
  countProcesses(1);
  // A list is one line of words without blanks in them; as input it would be taken for JSON.
  const words = json ? ['-j', ...script.split(' ')] : ['-f', '-'];
  const { error, status, signal, stdout, stderr } = spawnSync('nft', words, {
    ...(json ? {} : { input: script.endsWith('\n') ? script : `${script}\n` }),
    env: { LC_ALL: 'C', PATH: searchPath() },
    encoding: 'utf8',
    maxBuffer: MOST_OUTPUT,
    stdio: [json ? 'ignore' : 'pipe', 'pipe', 'pipe', ...inheritedLock()],
  });
  if (errnoOf(error) === 'ENOENT') return undefined;
  // Of one that ended before it had read all, its own words count.
  if (error !== undefined && errnoOf(error) !== 'EPIPE') throw error;
  return {
    code: status ?? 1,
    output: stdout,
    error: signal === null ? stderr : `nft was ended by ${signal}`,
  };
}

/** Undefined where there is no helper, or it ended in the midst: scripts can be run again. */
function askHelper(question: NftQuestion): NftAnswer | undefined {
  helper ??= startHelper();
  if (helper === undefined) return undefined;
  try {
    writeFrame(helper, question);
    // A border: it is of the same build.
    const answer = readFrame(helper) as NftAnswer | undefined;
    if (answer === undefined) releaseNft();
    return answer;
  } catch (error) {
    if (errnoOf(error) === undefined) throw new Error(`the helper for nft: ${messageOf(error)}`);
    releaseNft();
    return undefined;
  }
}

/** Undefined where the program was not built, in the tests say. */
function startHelper(): number | undefined {
  const file = fileURLToPath(new URL('./nft-helper.js', import.meta.url));
  if (!existsSync(file)) return undefined;
  const libc = loadLibc();
  const ends = Buffer.alloc(8);
  if (libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) !== 0)
    throw new SystemCallError('cannot open a pair of sockets', libc.errno());
  const [own, other] = [ends.readInt32LE(0), ends.readInt32LE(4)];
  try {
    countProcesses(1);
    const child = spawn(process.execPath, [file], {
      env: { LC_ALL: 'C', PATH: searchPath() },
      stdio: ['ignore', 'ignore', 'ignore', other, ...inheritedLock()],
      // Ctrl-C must not end a transaction half way.
      detached: true,
    });
    // Where it could not be started, its end of the sockets is closed.
    child.on('error', () => {});
    child.unref();
    return own;
  } catch (error) {
    // Node throws some errors of the start, and gives others to the listener. Nobody will answer.
    closeSync(own);
    throw error;
  } finally {
    closeSync(other);
  }
}
