import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Engine } from '../engine/engine.ts';
import { UnavailableError } from '../lib/errors.ts';
import type { Plan } from '../plan/step.ts';
import { findProgram } from '../system/find-program.ts';
import { NETNS_FOLDER } from '../system/netns.ts';
import { missingProgram } from '../system/run.ts';
import { HOST } from '../topology/model.ts';
import { requireFirewallFeatures, requireLinkKinds } from './capabilities.ts';
import { requireDisciplines } from './disciplines.ts';

/**
 * All that a plan takes of the machine, before anything is touched: programs, users, places that can be written, kinds
 * and parts of the kernel.
 *
 * @throws UnavailableError naming what is missing, and what brings it.
 */
export async function requireMachine(engine: Engine, plan: Plan): Promise<void> {
  requirePlaces(plan);
  await requirePrograms(engine, plan);
  await requireLinkKinds(plan);
  await requireFirewallFeatures(plan);
  await requireDisciplines(plan);
}

/** Which programs the engine `ip` starts for a batch of each tool. */
const programsOfTools: Readonly<Record<string, readonly string[]>> = {
  ip: ['ip'],
  ip6: ['ip'],
  bridge: ['bridge'],
  tc: ['tc'],
  nft: ['nft'],
  wg: ['wg'],
};

async function requirePrograms(engine: Engine, plan: Plan): Promise<void> {
  const wanted = new Set<string>();
  for (const { tool, namespace, commands } of plan.batches) {
    if (tool === 'iptables')
      for (const { command } of commands) if (command.tool === 'iptables') wanted.add(command.program);
    if (engine.name !== 'ip') continue;
    for (const program of programsOfTools[tool] ?? []) wanted.add(program);
    if (namespace !== HOST) wanted.add('nsenter');
  }
  if (plan.batches.some(({ tool }) => tool === 'service')) {
    const { requireService, startsOf, toolsOfService } = await import('./service-needs.ts');
    for (const start of startsOf(plan)) {
      requireService(start);
      for (const program of toolsOfService(start)) wanted.add(program);
    }
  }
  for (const program of wanted) requireProgram(program);
  if (engine.name === 'netlink' && plan.batches.some(({ tool }) => tool === 'nft')) await requireNft();
}

function requireProgram(program: string): void {
  if (findProgram(program) !== undefined) return;
  const { code, message, hint } = missingProgram(program);
  throw new UnavailableError(code, `${message}; nothing was changed`, hint);
}

/** The library that the program is made of does as well. */
async function requireNft(): Promise<void> {
  if (findProgram('nft') !== undefined) return;
  const { loadNftables } = await import('../engine/netlink/libnftables.ts');
  try {
    loadNftables();
  } catch {
    requireProgram('nft');
  }
}

/** In containers, some of these are there to be read only. */
function requirePlaces({ steps, batches }: Plan): void {
  if (steps.some(({ kind, action }) => kind === 'namespace' && action !== 'delete'))
    requireWritable(NETNS_FOLDER, 'namespaces get their names there');
  const commands = batches.flatMap((batch) => batch.commands.map(({ command }) => command));
  if (commands.some(({ tool }) => tool === 'sysctl'))
    requireWritable('/proc/sys/net/ipv4/ip_forward', 'kernel parameters are written there');
  for (const command of commands)
    if (command.tool === 'file' && command.action === 'write')
      requireWritable(join('/etc/netns', command.namespace), 'files for names are written there');
}

/** Of what is not there, the folder that it would be made in. */
function requireWritable(path: string, use: string): void {
  let present = path;
  while (!existsSync(present)) present = dirname(present);
  try {
    accessSync(present, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'EROFS' ? 'is mounted read-only' : `cannot be written (${code})`;
    throw new UnavailableError(
      'read-only',
      `${present} ${why}, and ${use}; nothing was changed`,
      code === 'EROFS'
        ? 'in a container, give it more rights (--privileged), or try: topoweave sandbox'
        : undefined,
    );
  }
}
