import type { Mapping } from '../kinds/publish.ts';
import { UnavailableError } from '../lib/errors.ts';
import type { Batch } from '../plan/step.ts';
import { enterablePath } from '../system/netns.ts';
import { run } from '../system/run.ts';
import type { BatchResult } from './engine.ts';

/**
 * Forgets connections for the programs' engine, too, by the kernel's own interface: conntrack(8) would go through the
 * whole table once for each port. Only where system calls cannot be made, that program does it, if it is there.
 */
export async function performConntrack({ namespace, commands }: Batch): Promise<BatchResult> {
  const mappings = commands.flatMap(({ command }) => (command.tool === 'conntrack' ? command.mappings : []));
  const [first] = commands;
  if (first === undefined) return { outcome: 'done' };
  try {
    // Loaded here: this engine does without system calls otherwise.
    const [{ visit }, { forgetConnections }] = await Promise.all([
      import('./netlink/namespace.ts'),
      import('./netlink/conntrack.ts'),
    ]);
    visit(namespace, () => forgetConnections(mappings));
  } catch (error) {
    if (!(error instanceof UnavailableError))
      return { outcome: 'failed', failure: { ...first, message: (error as Error).message } };
    await forgetByProgram(namespace, mappings);
  }
  return { outcome: 'done' };
}

async function forgetByProgram(namespace: string, mappings: readonly Mapping[]): Promise<void> {
  const netns = enterablePath(namespace);
  const enter = netns === undefined ? [] : ['nsenter', `--net=${netns}`, '--'];
  for (const args of mappings.flatMap(conntrackLines)) {
    // It fails where there is no such connection, and where it is not installed.
    await run([...enter, 'conntrack', ...args]).catch((error: unknown) => {
      if (!(error instanceof UnavailableError)) throw error;
    });
  }
}

/** The words of conntrack(8) that do the same, as far as it can: one call for each port. */
export function conntrackLines({ protocol, family, address, port, before }: Mapping): string[][] {
  // Without a target from before, it cannot tell packets to the namespace from those that pass through.
  if (before === undefined && address === undefined) return [];
  const lines: string[][] = [];
  for (let offset = 0; port.first + offset <= port.last; offset += 1) {
    lines.push([
      '-D',
      ...(family === 6 ? ['-f', 'ipv6'] : []),
      '-p',
      protocol,
      '--orig-port-dst',
      String(port.first + offset),
      ...(address === undefined ? [] : ['--orig-dst', address]),
      ...(before === undefined
        ? []
        : ['--reply-src', before.address, '--reply-port-src', String(before.port + offset)]),
    ]);
  }
  return lines;
}
