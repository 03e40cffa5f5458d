import type { NftObject } from '../../observe/live.ts';
import type { NftAnswer } from './libnftables.ts';
import { runAside } from './nft-process.ts';
import { tableNames } from './nft-tables.ts';

/**
 * Loads a script into the namespace that the thread is in, in one transaction.
 *
 * @throws Error with nft's own words.
 */
export function runNft(script: string): void {
  const { code, error } = runAside(script, false);
  if (code !== 0) throw new Error(`nftables: ${firstLine(error)}`);
}

/**
 * The objects of one table, as `nft -j list table` prints them; none where there is no such table.
 *
 * @throws Error with nft's own words.
 */
export function listTable(table: string, family: 'inet' | 'bridge' = 'inet'): NftObject[] {
  if (tableNames()?.has(`${family} ${table}`) === false) return [];
  return listJson(`list table ${family} ${table}`);
}

/** What `nft -j` prints for a command that lists; none where there is no such object. */
export function listJson(command: string): NftObject[] {
  if (tableNames()?.size === 0) return [];
  const { code, output, error } = runAside(command, true);
  if (code === 0) return (JSON.parse(output) as { nftables: NftObject[] }).nftables;
  if (/No such file/.test(error)) return [];
  throw new Error(`nftables: ${firstLine(error)}`);
}

/**
 * Every table of the namespace, as `nft list ruleset` prints it: what iptables made is in it, in words that the JSON does
 * not have.
 *
 * @throws Error with nft's own words.
 */
export function listRuleset(): string {
  if (tableNames()?.size === 0) return '';
  const { code, output, error } = runAside('list ruleset', false);
  if (code !== 0) throw new Error(`nftables: ${firstLine(error)}`);
  return output;
}

function firstLine(error: NftAnswer['error']): string {
  return error.trim().split('\n')[0] || 'it ended without a message';
}
