import type { Command } from '../kinds/resource.ts';
import { isLongName, kernelName } from '../lib/interface-name.ts';
import type { Live } from '../observe/live.ts';
import { renameSysctl } from '../observe/names.ts';
import type { Topology } from '../topology/model.ts';

/** Words of ip(8) behind which no interface stands, but a text or a namespace that may look like one. */
const others: ReadonlySet<string> = new Set(['netns', 'alias', 'altname']);

/** The names of interfaces, of the file and of the machine, that are too long for the kernel. */
export function longNames(topology: Topology | undefined, live: Live): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { name } of topology?.interfaces ?? []) {
    if (isLongName(name)) found.add(name);
  }
  for (const { links } of live.namespaces.values()) {
    for (const { ifname } of links) {
      if (isLongName(ifname)) found.add(ifname);
    }
  }
  return found;
}

/** Commands with the names that the kernel knows, in place of the file's. */
export function withKernelNames(commands: readonly Command[], long: ReadonlySet<string>): readonly Command[] {
  return long.size === 0 ? commands : commands.map((command) => translate(command, long));
}

function translate(command: Command, long: ReadonlySet<string>): Command {
  const of = (name: string) => (long.has(name) ? kernelName(name) : name);
  switch (command.tool) {
    case 'sysctl':
      return { ...command, name: renameSysctl(command.name, of) };
    case 'file':
    case 'service':
      // The service of an interface was made with the name that the kernel knows.
      return command;
    case 'ovs':
      // The loader takes no such name for what Open vSwitch has: its ports are found by the kernel's names.
      return command;
    case 'conntrack':
    case 'iptables':
      // Its rules are found by the kernel's names.
      return command;
    case 'nft':
      return { ...command, script: command.script.replace(/"([^"\n]+)"/g, (_, text) => `"${of(text)}"`) };
    default: {
      if (command.args[0] === 'netns') return command;
      const args = command.args.map((word, at) => (others.has(command.args[at - 1] ?? '') ? word : of(word)));
      return { ...command, args };
    }
  }
}
