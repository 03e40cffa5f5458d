import { constants } from 'node:os';
import { parseToolJson } from '../../engine/ip/tool-json.ts';
import { parseMark } from '../../kinds/marks.ts';
import { TopoweaveError, UsageError } from '../../lib/errors.ts';
import { etcHostname } from '../../system/etc-files.ts';
import { withHostname } from '../../system/hostname.ts';
import { describeFile, listNamespaces, NETNS_FOLDER, namespaceType, netnsPath } from '../../system/netns.ts';
import { run as runProgram, searchPath } from '../../system/run.ts';
import { HOST } from '../../topology/model.ts';
import type { Invocation, RunCommand } from '../command.ts';
import { requirePrivileges } from '../lab.ts';

export const runExec: RunCommand = async (_context, invocation) => {
  const [namespace = '', words = []] = invocation.args as [string, (readonly string[])?];
  // The parser leaves the `--` that ends topoweave's own arguments in front of the command.
  const command = words[0] === '--' ? words.slice(1) : words;
  if (command.length === 0) {
    throw new UsageError(
      'give a command behind --',
      `for example: topoweave exec ${namespace} -- ip address`,
    );
  }
  return enter(namespace, command, invocation);
};

export const runShell: RunCommand = async ({ io }, invocation) => {
  const namespace = String(invocation.args[0]);
  const shell = io.env['SHELL'] || '/bin/sh';
  return enter(namespace, [shell], invocation, () =>
    io.stderr(`shell in namespace ${namespace}; leave it with exit\n`),
  );
};

/**
 * `ip netns exec` gives the command its own /sys and the files of /etc/netns/NAME, as ip-netns(8) says. It binds the file
 * with the hostname and does not set the name itself: that takes a UTS namespace.
 */
async function enter(
  namespace: string,
  command: readonly string[],
  { options }: Invocation,
  onEntry: () => void = () => {},
): Promise<number> {
  await requirePrivileges();
  if (namespace === HOST) {
    onEntry();
    return start(command, HOST);
  }
  const { names } = listNamespaces();
  const type = namespaceType(namespace) ?? 'net';
  if (!names.includes(namespace) || type !== 'net') {
    const what =
      type === 'net' ? describeFile(`${NETNS_FOLDER}/${namespace}`) : `a namespace of type ${type}`;
    if (what !== undefined && !namespace.includes('/')) {
      throw new TopoweaveError(
        'no-namespace',
        `${NETNS_FOLDER}/${namespace} is no network namespace: it is ${what}`,
      );
    }
    throw new TopoweaveError('no-namespace', `there is no namespace ${namespace}`, {
      hint:
        names.length === 0 ? 'apply a file first: topoweave apply FILE' : `there are: ${names.join(', ')}`,
    });
  }
  const wanted = options['lab'];
  if (wanted !== undefined) await requireLab(namespace, String(wanted));
  onEntry();
  const hostname = etcHostname(namespace);
  const named = hostname === undefined ? [] : withHostname(hostname);
  return start([...named, 'ip', 'netns', 'exec', namespace, ...command], namespace);
}

async function requireLab(namespace: string, wanted: string): Promise<void> {
  const { stdout } = await runProgram([
    'nsenter',
    `--net=${netnsPath(namespace)}`,
    '--',
    'ip',
    '-j',
    'link',
    'show',
    'dev',
    'lo',
  ]);
  // A border: ip prints an array with the one link.
  const [lo] = parseToolJson(stdout || '[]') as { ifalias?: string }[];
  const lab = parseMark(lo?.ifalias)?.lab;
  if (lab === wanted) return;
  throw new TopoweaveError(
    'other-lab',
    `namespace ${namespace} belongs to ${lab === undefined ? 'no lab' : `the lab '${lab}'`}`,
    {
      hint: `leave --lab out, or name that lab`,
    },
  );
}

async function start(argv: readonly string[], namespace: string): Promise<number> {
  const { spawn } = await import('node:child_process');
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const env = { ...process.env, PATH: searchPath(), TOPOWEAVE_NAMESPACE: namespace };
    const child = spawn(program, args, { stdio: 'inherit', env });
    // The terminal sends these to the command as well, others send theirs to this process alone: the command decides
    // what each means.
    const ignore = () => {};
    const passOn = (signal: NodeJS.Signals) => void child.kill(signal);
    process.on('SIGINT', ignore).on('SIGQUIT', ignore).on('SIGTERM', passOn).on('SIGHUP', passOn);
    child.on('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'ENOENT'
          ? new TopoweaveError('no-command', `cannot start ${program}: not found`, { exitCode: 127 })
          : error,
      );
    });
    child.on('exit', (code, signal) => {
      process.off('SIGINT', ignore).off('SIGQUIT', ignore).off('SIGTERM', passOn).off('SIGHUP', passOn);
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
