import { readFileSync } from 'node:fs';
import { type PortUseTexts, socketFiles } from '../../observe/port-use.ts';
import { legacyNat, readPortUse as readWithPrograms } from '../ip/port-use.ts';
import { NeedsProgram } from './errors.ts';
import { visit } from './namespace.ts';
import { listRuleset } from './nftables.ts';
import { readSysctl } from './sysctl.ts';

/** What holds ports in a namespace, read in this process. */
export async function readPortUse(namespace: string): Promise<PortUseTexts> {
  try {
    const texts = visit(namespace, () => readInside(namespace));
    return texts.hasLegacy ? { ...texts, legacy: await legacyNat(namespace) } : texts;
  } catch (error) {
    if (error instanceof NeedsProgram) return readWithPrograms(namespace);
    throw error;
  }
}

function readInside(namespace: string): PortUseTexts & { readonly hasLegacy: boolean } {
  const file = (name: string) => readOrEmpty(() => readFileSync(`/proc/thread-self/net/${name}`, 'utf8'));
  const sysctl = (name: string) => readOrEmpty(() => readSysctl(namespace, `net.ipv4.${name}`));
  return {
    sockets: new Map(socketFiles.map((name) => [name, file(name)])),
    ruleset: listRuleset(),
    legacy: '',
    range: sysctl('ip_local_port_range'),
    reserved: sysctl('ip_local_reserved_ports'),
    hasLegacy: ['ip_tables_names', 'ip6_tables_names'].some((name) => /^nat$/m.test(file(name))),
  };
}

/** A kernel without a protocol does not have its files. */
function readOrEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
