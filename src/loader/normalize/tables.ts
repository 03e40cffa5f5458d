import { numberOf } from '../../engine/netlink/names.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { suggest } from '../suggest.ts';
import { type Context, interfaceKey } from './context.ts';
import { isDevice } from './devices.ts';
import { listNames } from './names.ts';

/** The names of the numbers that rtnetlink reserves. */
const reserved: Readonly<Record<number, string>> = { 253: 'default', 254: 'main', 255: 'local' };
const reservedNames = Object.values(reserved);

/**
 * The one place that tells which table a name means in a namespace: `main`, `local` or `default`, a name from the file's
 * `tables`, one from /etc/iproute2/rt_tables, or, before these, a VRF of the namespace. The answer is a reserved name or a number as text; undefined, with a report, for an unknown name.
 */
export function resolveTable(
  { data, report, entries }: Context,
  table: string | number,
  namespace: string,
  place: Place,
): string | undefined {
  if (typeof table === 'string' && reservedNames.includes(table)) return table;
  const vrf = entries.get(interfaceKey(namespace, String(table)))?.item;
  if (vrf !== undefined && isDevice(vrf) && vrf.kind === 'vrf') return String(vrf.settings['table']);
  const names = data.tables ?? {};
  const number = typeof table === 'number' ? table : (names[table] ?? numberOf('rt_tables', table));
  if (number !== undefined && number > 0 && number <= 0xffffffff) return reserved[number] ?? String(number);
  const known = Object.keys(names);
  const nearest = suggest(String(table), [...known, ...reservedNames]);
  report({
    code: 'table',
    message: `'${table}' is not a routing table; the file names ${listNames(known) || 'none'}`,
    place,
    help:
      nearest === undefined
        ? `give it a number at the top of the file: tables: { ${table}: 100 }`
        : `did you mean '${nearest}'?`,
  });
  return undefined;
}

/** A name of ours must mean one table, and no reserved one. */
export function checkTables({ data, report }: Context): void {
  for (const [name, number] of Object.entries(data.tables ?? {})) {
    const place: Place = {
      pointer: `/tables/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      part: 'key',
    };
    const isName = /^[A-Za-z][A-Za-z0-9._-]*$/.test(name);
    const fail = (message: string) => report({ code: 'table', message, place });
    if (!isName)
      fail(`'${name}' is no name for a table; begin with a letter, then letters, digits, . _ and -`);
    else if (reservedNames.includes(name)) fail(`'${name}' is the kernel's own table; choose another name`);
    else if (reserved[number] !== undefined)
      fail(`table ${number} is the kernel's table ${reserved[number]}; choose another number`);
  }
}
