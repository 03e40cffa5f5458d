import { conntrackLines } from '../engine/conntrack.ts';
import { ovsTransaction } from '../engine/ovs.ts';
import type { Command, ServiceCommand } from '../kinds/resource.ts';
import { sysctlPath } from '../lib/sysctl.ts';
import type { Plan } from '../plan/step.ts';
import { etcPath } from '../system/etc-files.ts';
import { folderOf, logPath } from '../system/services/paths.ts';
import { HOST } from '../topology/model.ts';

/** The plan as shell commands that a person can read and paste, in the order of the batches. */
export function formatCommands({ batches }: Plan): string {
  return batches
    .flatMap(({ tool, commands }) =>
      tool === 'ovs'
        ? `ovs-vsctl ${ovsTransaction(commands).map(quote).join(' ')}\n`
        : commands.flatMap(({ command }) => {
            const line = shellCommand(command);
            return line === '' ? [] : `${line}\n`;
          }),
    )
    .join('');
}

export function shellCommand(command: Command): string {
  const { namespace = HOST } = command;
  const inside = namespace === HOST ? '' : `-n ${quote(namespace)} `;
  const exec = namespace === HOST ? '' : `ip netns exec ${quote(namespace)} `;
  switch (command.tool) {
    case 'ip':
    case 'bridge':
    case 'tc':
      return `${command.tool} ${inside}${command.args.map((word, at) => quote(inHost(command.args, at) ? '1' : word)).join(' ')}`;
    case 'wg':
      return `${exec}wg ${command.args.map((word) => (word === '' ? "''" : quote(word))).join(' ')}`;
    case 'sysctl':
      return `${exec}sysctl -q -w ${quote(`${sysctlPath(command.name)}=${command.value}`)}`;
    case 'nft':
      return `${exec}nft -f - <<'EOF'\n${command.script}EOF`;
    case 'conntrack':
      return command.mappings
        .flatMap(conntrackLines)
        .map((args) => `${exec}conntrack ${args.map(quote).join(' ')}`)
        .join('\n');
    case 'iptables':
      return `${exec}${command.program} ${command.args.map(quote).join(' ')}`;
    case 'ovs':
      return `ovs-vsctl ${command.args.map(quote).join(' ')}`;
    case 'file':
      return command.action === 'remove'
        ? `rm -f ${quote(etcPath(namespace, command.name))}`
        : `install -D -m 644 /dev/stdin ${quote(etcPath(namespace, command.name))} <<'EOF'\n${command.lines.join('\n')}\nEOF`;
    case 'service':
      return serviceLine(command, exec);
  }
}

/** What a person would type; topoweave itself does more, see docs/services.md. */
function serviceLine(command: ServiceCommand, exec: string): string {
  if (command.action === 'stop') return `# stop the service ${command.namespace}/${command.name}`;
  const { lab, namespace, service } = command;
  const folder = folderOf(lab, namespace, service.name);
  const words = service.command.map((word) => quote(word.replaceAll('{folder}', folder)));
  // A value may be a password: whoever types the line has it in a variable of that name.
  const environment = Object.keys(service.environment).map((name) => `${name}="$${name}"`);
  const env = environment.length === 0 ? '' : `env ${environment.join(' ')} `;
  const user = service.user === undefined ? '' : `setpriv --reuid=${quote(service.user)} --init-groups -- `;
  const log = quote(logPath(lab, namespace, service));
  return `${exec}setsid --fork ${user}${env}${words.join(' ')} </dev/null >${log} 2>&1`;
}

/** The machine's own namespace is that of process 1, for a person who reads the line. */
function inHost(args: readonly string[], at: number): boolean {
  return args[at - 1] === 'netns' && args[at] === HOST;
}

function quote(word: string): string {
  return /^[A-Za-z0-9_.:/@%+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
