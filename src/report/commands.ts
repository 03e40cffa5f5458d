import { conntrackLines } from '../engine/conntrack.ts';
import { ovsTransaction } from '../engine/ovs.ts';
import type { Command } from '../kinds/resource.ts';
import { sysctlPath } from '../lib/sysctl.ts';
import type { Plan } from '../plan/step.ts';
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
    case 'ovs':
      return `ovs-vsctl ${command.args.map(quote).join(' ')}`;
  }
}

/** The machine's own namespace is that of process 1, for a person who reads the line. */
function inHost(args: readonly string[], at: number): boolean {
  return args[at - 1] === 'netns' && args[at] === HOST;
}

function quote(word: string): string {
  return /^[A-Za-z0-9_.:/@%+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
