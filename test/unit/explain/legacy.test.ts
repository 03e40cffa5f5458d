import { expect, test } from 'vitest';
import { noteLegacyTables } from '../../../src/explain/legacy.ts';
import type { Run } from '../../../src/system/run.ts';

/** The names that a file of a namespace has; where it has none, there is no file. */
const files: Readonly<Record<string, string>> = {
  'gw /proc/net/ip_tables_names': 'nat\nfilter\n',
  'web /proc/net/ip_tables_names': '',
  'gw /proc/net/ip6_tables_names': 'raw\n',
};

const run: Run = async (argv) => {
  const namespace = /^--net=\/run\/netns\/(.*)$/.exec(argv[1] ?? '')?.[1] ?? 'host';
  const stdout = files[`${namespace} ${argv.at(-1)}`];
  return { code: stdout === undefined ? 1 : 0, stdout: stdout ?? '', stderr: '' };
};

test('tables of the older iptables are named, once for a namespace', async () => {
  expect(await noteLegacyTables(['host', 'gw', 'web', 'gw'], { family: 4, run })).toEqual([
    'gw has the tables filter, nat of the older iptables, whose rules are not seen here and may drop it: iptables-legacy-save lists them',
  ]);
  expect(await noteLegacyTables(['gw', 'web'], { family: 6, run })).toEqual([
    'gw has the table raw of the older iptables, whose rules are not seen here and may drop it: ip6tables-legacy-save lists them',
  ]);
});
