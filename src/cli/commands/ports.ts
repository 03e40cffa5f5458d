import { existsSync } from 'node:fs';
import { TopoweaveError, UsageError } from '../../lib/errors.ts';
import { exitCodes } from '../../lib/exit-codes.ts';
import { observe } from '../../observe/observe.ts';
import { type ListedPorts, listPorts } from '../../observe/ports.ts';
import { formatTable } from '../../report/table.ts';
import type { Context, OptionValues, RunCommand } from '../command.ts';
import { engineOf } from '../engine-option.ts';
import { filePath, optionalFiles } from '../files.ts';
import { knownLabs, labsIn, noSuchLab } from '../known-labs.ts';
import { loadLab, requireRoot, resolveLabName } from '../lab.ts';

export const run: RunCommand = async (context, { args, options }) => {
  const [labOrFile, namespace, port] = args.map((word) => (word === undefined ? undefined : String(word)));
  const wanted = port === undefined ? undefined : readPort(port);
  requireRoot();
  const labs =
    labOrFile === undefined
      ? await knownLabs(engineOf(context, options))
      : [await labName(context, labOrFile)];
  const all: ListedPorts[] = [];
  for (const lab of labs)
    all.push(...(await portsOf(context, lab, { options, mustExist: labOrFile !== undefined })));
  const found = all.filter((entry) => isMeant(entry, namespace, wanted));
  const { io } = context;
  if (options['json']) {
    io.stdout(`${JSON.stringify({ schemaVersion: 1, ports: found.map(toJson) }, null, 2)}\n`);
    return exitCodes.done;
  }
  if (found.length > 0) {
    io.stdout(wanted === undefined ? table(found, labOrFile === undefined) : addresses(found, wanted));
    return exitCodes.done;
  }
  if (wanted !== undefined || namespace !== undefined)
    throw nothingPublished(labOrFile ?? '', namespace, wanted);
  io.stdout(labOrFile === undefined ? 'No lab publishes ports.\n' : `Lab '${labs[0]}' publishes no ports.\n`);
  return exitCodes.done;
};

interface WantedPort {
  readonly port: number;
  readonly protocol: string;
}

/** `80`, `80/udp` */
function readPort(text: string): WantedPort {
  const [, port, protocol = 'tcp'] = /^([0-9]{1,5})(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  if (port !== undefined) return { port: Number(port), protocol };
  throw new UsageError(`'${text}' is not a port`, 'write PORT or PORT/PROTOCOL, such as 80 or 53/udp');
}

async function labName(context: Context, labOrFile: string): Promise<string> {
  const choice = optionalFiles(context.io, labOrFile, {});
  if (choice === undefined) throw new UsageError('there is no lab');
  const isFile = existsSync(filePath(context.io, choice.file));
  return isFile ? (await loadLab(context, choice)).topology.name : resolveLabName(context, choice);
}

async function portsOf(
  context: Context,
  lab: string,
  { options, mustExist }: { options: OptionValues; mustExist: boolean },
): Promise<ListedPorts[]> {
  const request = { lab, nat: new Set<string>(), sysctls: new Map() };
  const live = await observe(engineOf(context, options), request);
  const labs = labsIn(live);
  if (mustExist && !labs.includes(lab)) {
    throw noSuchLab(lab, labs);
  }
  return listPorts(live, lab);
}

function isMeant(
  { namespace: publisher, target, protocol, toPorts }: ListedPorts,
  namespace: string | undefined,
  wanted: WantedPort | undefined,
): boolean {
  if (namespace !== undefined && namespace !== publisher && namespace !== target) return false;
  if (wanted === undefined) return true;
  return protocol === wanted.protocol && toPorts.first <= wanted.port && wanted.port <= toPorts.last;
}

function table(ports: readonly ListedPorts[], withLab: boolean): string {
  const rows = ports.map(({ lab, namespace, protocol, text, target }) => [
    ...(withLab ? [lab] : []),
    namespace,
    `${text.published}/${protocol}`,
    text.target,
    target ?? '',
  ]);
  return formatTable([...(withLab ? ['LAB'] : []), 'NAMESPACE', 'PUBLISHED', 'LEADS TO', 'OF'], rows);
}

/** One line for each, as `docker port` prints them. */
function addresses(ports: readonly ListedPorts[], { port }: WantedPort): string {
  return ports
    .map(({ address, ports: published, toPorts }) => {
      const host = address.includes(':') ? `[${address}]` : address;
      return `${host}:${published.first + port - toPorts.first}\n`;
    })
    .join('');
}

function nothingPublished(
  lab: string,
  namespace: string | undefined,
  wanted: WantedPort | undefined,
): TopoweaveError {
  const what = wanted === undefined ? 'no port' : `no port that leads to ${wanted.port}/${wanted.protocol}`;
  return new TopoweaveError('no-port', `${what} of ${namespace} is published`, {
    hint: `'topoweave ports ${lab}' lists what is`,
  });
}

function toJson({ lab, namespace, protocol, address, ports, to, toPorts, target }: ListedPorts): object {
  return {
    lab,
    namespace,
    protocol,
    address,
    port: ports.first,
    lastPort: ports.last,
    to,
    toPort: toPorts.first,
    lastToPort: toPorts.last,
    target,
  };
}
