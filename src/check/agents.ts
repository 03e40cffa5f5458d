import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { ignoreStreamErrors } from '../lib/child-streams.ts';
import { TopoweaveError } from '../lib/errors.ts';
import { enterablePath } from '../system/netns.ts';
import { missingProgram, searchPath } from '../system/run.ts';
import { type AgentReply, type AgentRequest, agentProgram } from './agent.ts';

export type Question = Omit<AgentRequest, 'id'>;

/** One agent per namespace, started when the namespace is first asked. */
export interface Agents {
  readonly ask: (namespace: string, question: Question) => Promise<AgentReply>;
  /** Ends every agent, and with it every listener. */
  readonly end: () => Promise<void>;
}

interface Agent {
  readonly ask: (question: Question) => Promise<AgentReply>;
  readonly end: () => Promise<void>;
}

export function startAgents(): Agents {
  const agents = new Map<string, Agent>();
  return {
    ask: (namespace, question) => {
      const agent = agents.get(namespace) ?? startAgent(namespace);
      agents.set(namespace, agent);
      return agent.ask(question);
    },
    end: async () => {
      await Promise.all([...agents.values()].map((agent) => agent.end()));
    },
  };
}

/**
 * The argv that runs a program in a namespace of `ip netns`; `host` is the one that we are in.
 *
 * @throws TopoweaveError when there is none of that name.
 */
export function inNamespace(namespace: string, command: readonly string[]): string[] {
  const path = enterablePath(namespace);
  return path === undefined ? [...command] : ['nsenter', `--net=${path}`, '--', ...command];
}

function startAgent(namespace: string): Agent {
  const [program = '', ...args] = inNamespace(namespace, [process.execPath, '-e', agentProgram()]);
  // NODE_OPTIONS is meant for this process: a debugger's port or a loader would be taken twice.
  const env = { ...process.env, PATH: searchPath(), NODE_OPTIONS: '' };
  // In a session of its own: the end of the terminal is none of the check's, and Ctrl-C comes from here.
  const child: ChildProcess = spawn(program, args, { env, stdio: 'pipe', detached: true });
  // Also one that ended early, and broke the pipe: its exit says why.
  ignoreStreamErrors(child);
  const waiting = new Map<number, { resolve: (reply: AgentReply) => void; reject: (error: Error) => void }>();
  let lastId = 0;
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    failure ??= error;
    for (const { reject } of waiting.values()) reject(failure);
    waiting.clear();
  };
  // One that could not be started has no output; its error comes later (spawn of Node).
  if (child.pid !== undefined && child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', (line) => {
      const reply: AgentReply = JSON.parse(line);
      waiting.get(reply.id)?.resolve(reply);
      waiting.delete(reply.id);
    });
  const ended = onceEnded(child, { namespace, program, fail });
  return {
    ask: (question) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) return reject(failure);
        lastId += 1;
        waiting.set(lastId, { resolve, reject });
        child.stdin?.write(`${JSON.stringify({ id: lastId, ...question } satisfies AgentRequest)}\n`);
      }),
    end: () => {
      child.stdin?.end();
      child.kill();
      return ended;
    },
  };
}

function onceEnded(
  child: ChildProcess,
  { namespace, program, fail }: { namespace: string; program: string; fail: (error: Error) => void },
): Promise<void> {
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.once('error', (error) => {
      fail('code' in error && error.code === 'ENOENT' ? missingProgram(program) : error);
      resolve();
    });
    child.once('close', (code) => {
      const reason = stderr.trim().split('\n')[0] || `exit code ${code}`;
      fail(
        new TopoweaveError('check-agent', `the check's helper in namespace ${namespace} ended: ${reason}`),
      );
      resolve();
    });
  });
}
