import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { inNamespace } from '../check/agents.ts';
import { ignoreStreamErrors } from '../lib/child-streams.ts';
import { TopoweaveError } from '../lib/errors.ts';
import { readOrEmpty } from '../system/proc.ts';
import { run, searchPath } from '../system/run.ts';
import type { TraceTables } from './tables.ts';
import { type ProbeIdentity, traceScript } from './trace-table.ts';

export interface ProbeRequest extends ProbeIdentity {
  readonly from: string;
  readonly address: string;
  readonly port: number | undefined;
  /** Where the probe is followed. */
  readonly namespaces: readonly string[];
  /** By namespace, interfaces that are not the lab's. */
  readonly forbidden: ReadonlyMap<string, readonly string[]>;
  /** Namespaces with bridges. */
  readonly bridging: ReadonlySet<string>;
  readonly tables: TraceTables;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

export interface ProbeResult {
  /** `answered`, `refused`, `unanswered`, or the code of an error such as ENETUNREACH. */
  readonly outcome: string;
  /** What nft said of the probe, by namespace. */
  readonly traces: ReadonlyMap<string, string>;
}

/** Milliseconds: before TCP sends the first packet a second time. */
const PATIENCE = 800;

/**
 * Sends one packet and collects what the kernel tells of it.
 *
 * @throws the reason of the signal, when it is aborted.
 */
export async function sendProbe(request: ProbeRequest): Promise<ProbeResult> {
  const { namespaces, bridging, tables, signal } = request;
  const monitors: Monitor[] = [];
  try {
    for (const namespace of namespaces) {
      signal.throwIfAborted();
      const forbidden = request.forbidden.get(namespace) ?? [];
      const withBridge = bridging.has(namespace);
      const script = traceScript({ ...request, forbidden, withBridge });
      const error = await tables.load({ namespace, withBridge }, script);
      if (error !== undefined)
        throw new TopoweaveError('explain', `cannot follow packets in ${namespace}: ${error}`, {
          hint: 'this takes nftables with tracing, and without another nft that holds the table',
        });
      monitors.push(startMonitor(namespace, signal));
    }
    await Promise.all(monitors.map(({ ready }) => ready()));
    const outcome = await send(request);
    signal.throwIfAborted();
    await Promise.all(monitors.map(({ settled }) => settled()));
    return { outcome, traces: new Map(monitors.map(({ namespace, text }) => [namespace, text()])) };
  } finally {
    await Promise.all(monitors.map(({ stop }) => stop()));
  }
}

interface Monitor {
  readonly namespace: string;
  readonly ready: () => Promise<void>;
  /** What the kernel has told so far is read. */
  readonly settled: () => Promise<void>;
  readonly text: () => string;
  readonly stop: () => Promise<void>;
}

/** nft says nothing when it begins to listen; its socket is there when /proc shows that it is in the group. */
function startMonitor(namespace: string, signal: AbortSignal): Monitor {
  // It would wait for packets for ever: when topoweave is killed, the kernel ends it too.
  const words = ['setpriv', '--pdeathsig', 'KILL', '--'];
  const [program = '', ...args] = [...words, ...inNamespace(namespace, ['nft', 'monitor', 'trace'])];
  const child: ChildProcess = spawn(program, args, {
    env: { LC_ALL: 'C', PATH: searchPath() },
    stdio: ['ignore', 'pipe', 'ignore'],
    // Not ended by Ctrl-C in the midst of a probe, but by `stop`.
    detached: true,
  });
  ignoreStreamErrors(child);
  let text = '';
  let isOver = false;
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      isOver = true;
      resolve();
    };
    child.once('error', end);
    child.once('close', end);
  });
  const waitFor = async (condition: () => boolean): Promise<void> => {
    const deadline = Date.now() + MOST_PATIENCE;
    while (!condition()) {
      signal.throwIfAborted();
      if (isOver || Date.now() > deadline)
        throw new TopoweaveError(
          'explain',
          `cannot follow packets in ${namespace}: nft monitor does not answer`,
        );
      await setTimeout(10);
    }
  };
  return {
    namespace,
    ready: async () => waitFor(() => queueOf(child.pid) !== undefined),
    settled: async () => {
      let before = -1;
      await waitFor(() => {
        const isQuiet = queueOf(child.pid) === 0 && text.length === before;
        before = text.length;
        return isQuiet;
      });
    },
    text: () => text,
    stop: () => {
      child.kill();
      return ended;
    },
  };
}

/** Milliseconds, on a machine that is busy. */
const MOST_PATIENCE = 10_000;
/** NETLINK_NETFILTER (linux/netlink.h), and the bit of NFNLGRP_NFTRACE (linux/netfilter/nfnetlink.h). */
const [NETFILTER, TRACE_GROUP] = ['12', 0x100];

/** How many bytes wait for a listener to traces; undefined: it does not listen yet. */
function queueOf(pid: number | undefined): number | undefined {
  const lines = readOrEmpty(`/proc/${pid}/net/netlink`).split('\n');
  for (const line of lines) {
    const [, protocol, port, groups = '', queued] = line.trim().split(/\s+/);
    const isListening = (Number.parseInt(groups, 16) & TRACE_GROUP) !== 0;
    if (protocol === NETFILTER && port === String(pid) && isListening) return Number(queued);
  }
  return undefined;
}

async function send(request: ProbeRequest): Promise<string> {
  const { from, address, port, protocol, number, signal } = request;
  if (protocol === 'icmp') {
    const words = ['ping', '-n', '-c', '1', '-W', '1', '-e', String(number), address];
    const { code, stdout, stderr } = await run(inNamespace(from, words), { signal });
    if (code === 0) return 'answered';
    const reason = /From (\S+) icmp_seq=\d+ (.*)/.exec(stdout);
    if (reason !== null) return `${reason[2]}, says ${reason[1]}`;
    const problem = /(?:connect|ping|sendmsg): (.*)/.exec(stderr)?.[1];
    return problem === undefined ? 'unanswered' : problem;
  }
  const question = JSON.stringify({ protocol, address, port, number, timeout: PATIENCE });
  const { stdout, stderr } = await run(
    inNamespace(from, [process.execPath, '-e', proberProgram(), question]),
    { signal },
  );
  return stdout.trim() || stderr.trim().split('\n')[0] || 'unanswered';
}

/** The sender's program for `node -e`, as that of the checks. */
const proberProgram = (): string => `(${prober.toString()})(require('node:net'), require('node:dgram'))`;

/** Only its text is used: nothing outside of it exists where it runs. */
function prober(net: typeof import('node:net'), dgram: typeof import('node:dgram')): void {
  const { protocol, address, port, number, timeout } = JSON.parse(process.argv[1] ?? '{}');
  const end = (outcome: string): void => {
    process.stdout.write(`${outcome}\n`, () => process.exit(0));
  };
  const fail = (error: Error): void => {
    const code = 'code' in error ? String(error.code) : error.message;
    end(code === 'ECONNREFUSED' ? 'refused' : code);
  };
  globalThis.setTimeout(() => end('unanswered'), timeout);
  if (protocol === 'tcp') {
    net
      .connect({ host: address, port, localPort: number, autoSelectFamily: false })
      .once('connect', () => end('answered'))
      .on('error', fail);
    return;
  }
  const socket = dgram.createSocket(net.isIPv6(address) ? 'udp6' : 'udp4');
  socket.on('error', fail).on('message', () => end('answered'));
  socket.bind(number, () => {
    socket.once('connect', () => socket.send('topoweave')).connect(port, address);
  });
}
