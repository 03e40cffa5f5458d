import { join } from 'node:path';
import type { LiveLease } from '../../observe/live.ts';
import { readStateFile } from '../state-file.ts';
import { folderOf } from './paths.ts';

/** Bytes: a process and an interface, an address and a gateway. */
const MOST = 200;

/**
 * What the script of a DHCP client wrote into the folder of its service: which interface it began with, and the lease that
 * it set. undefined: nothing of this very process, which has only just begun, or is no client.
 */
export function readLease(
  { lab, namespace, name }: { readonly lab: string; readonly namespace: string; readonly name: string },
  pid: number,
): LiveLease | undefined {
  const folder = folderOf(lab, namespace, name);
  const [, holder, index] = /^(\d+) (\d+)\n$/.exec(textOf(join(folder, 'holder'))) ?? [];
  if (Number(holder) !== pid) return undefined;
  const [, address, gateway] = /^([\d./]+) ([\d.]*)\n$/.exec(textOf(join(folder, 'leased'))) ?? [];
  return { index: Number(index), address, gateway: gateway === '' ? undefined : gateway };
}

function textOf(path: string): string {
  const found = readStateFile(path, MOST);
  return found !== undefined && 'text' in found ? found.text : '';
}
