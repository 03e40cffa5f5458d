import { ambiguousConf, confNames, familyOfConf, neighNames } from '../../lib/conf-names.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import type { Sysctl } from '../../topology/model.ts';
import { suggest } from '../suggest.ts';
import type { Report } from './problem.ts';
import { sysctlValueProblem } from './sysctl-values.ts';

/** A parameter of an interface: `ipv6.conf` and `accept_ra`, between which the interface's name goes. */
export interface InterfaceSysctl {
  readonly folder: string;
  readonly name: string;
  readonly value: string;
  readonly place: Place;
}

/** The keys of an interface that stand for its kernel parameters; `sysctls` is their long form. */
export interface RawInterfaceSysctls {
  readonly 'accept-ra'?: boolean | number;
  readonly 'link-local'?: readonly 'ipv6'[];
  readonly 'ipv6-privacy'?: boolean;
  readonly 'ipv6-address-generation'?: 'eui64' | 'stable-privacy' | 'none';
  readonly dad?: boolean;
  readonly sysctls?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * addr_gen_mode of net.ipv6.conf (include/uapi/linux/if_link.h, IN6_ADDR_GEN_MODE_*). The kernel's own mode for stable
 * privacy (2) needs a secret; with 3 it makes one itself.
 */
const generation = { eui64: '0', none: '1', 'stable-privacy': '3' } as const;

/** The parameters that the keys of one interface mean; undefined where there are none, as nearly everywhere. */
export function expandInterfaceSysctls(
  raw: RawInterfaceSysctls,
  base: string,
  report: Report,
): readonly InterfaceSysctl[] | undefined {
  const found: InterfaceSysctl[] = [];
  const add = (name: string, value: string, key: string) =>
    found.push({ folder: 'ipv6.conf', name, value, place: { pointer: `${base}/${key}`, part: 'key' } });
  if (raw['accept-ra'] !== undefined) add('accept_ra', String(Number(raw['accept-ra'])), 'accept-ra');
  const { 'link-local': linkLocal, 'ipv6-address-generation': mode, 'ipv6-privacy': privacy, dad } = raw;
  if (linkLocal !== undefined && mode !== undefined && (linkLocal.length === 0) !== (mode === 'none')) {
    report({
      code: 'bad-sysctl',
      message: `link-local and ipv6-address-generation contradict each other; leave one of them out`,
      place: { pointer: `${base}/link-local`, part: 'key' },
    });
  } else if (mode !== undefined) add('addr_gen_mode', generation[mode], 'ipv6-address-generation');
  else if (linkLocal !== undefined) add('addr_gen_mode', linkLocal.length === 0 ? '1' : '0', 'link-local');
  if (privacy !== undefined) add('use_tempaddr', privacy ? '2' : '0', 'ipv6-privacy');
  if (dad !== undefined) {
    add('accept_dad', dad ? '1' : '0', 'dad');
    add('dad_transmits', dad ? '1' : '0', 'dad');
  }
  for (const [text, value] of Object.entries(raw.sysctls ?? {})) {
    const sysctl = expandName(text, value, `${base}/sysctls`, report);
    if (sysctl === undefined) continue;
    const problem = sysctlValueProblem(`net.${sysctl.folder}.all.${sysctl.name}`, sysctl.value);
    if (problem !== undefined) {
      const message = problem.message.replace(/net\.\S*\.all\.[a-z0-9_]+/, text);
      report({ code: 'bad-sysctl', ...problem, message, place: { ...sysctl.place, part: 'value' } });
    }
    const earlier = found.find(({ folder, name }) => folder === sysctl.folder && name === sysctl.name);
    if (earlier === undefined) found.push(sysctl);
    else {
      report({
        code: 'bad-sysctl',
        message: `${text} is set already`,
        place: sysctl.place,
        related: [{ message: 'it is set here', place: earlier.place }],
      });
    }
  }
  return found.length === 0 ? undefined : found;
}

function expandName(
  text: string,
  value: string | number | boolean,
  base: string,
  report: Report,
): InterfaceSysctl | undefined {
  const place: Place = { pointer: base + pointer(text), part: 'key' };
  const fail = (message: string, help?: string) =>
    report({ code: 'bad-sysctl', message, place, ...(help === undefined ? {} : { help }) });
  const [, prefix, name = ''] = /^(ipv[46]\.(?:neigh\.)?)?([a-z0-9_]+)$/.exec(text) ?? [];
  if (name === '') {
    const isFull = text.startsWith('net.');
    fail(
      `'${text}' is not a parameter of an interface; write NAME, ipv4.NAME, ipv6.NAME, or ipv4.neigh.NAME`,
      isFull ? 'the interface is known here: leave net., conf and its name out' : undefined,
    );
    return undefined;
  }
  const words =
    typeof value === 'boolean'
      ? String(Number(value))
      : String(value)
          .trim()
          .replace(/[ \t]+/g, ' ');
  if (words === '' || /\p{Cc}/u.test(words)) {
    fail(`the value of ${text} is ${words === '' ? 'empty' : 'not one line of text'}`);
    return undefined;
  }
  if (prefix !== undefined) {
    const [family = '', folder = 'conf'] = prefix.split('.').filter((part) => part !== '');
    return { folder: `${family}.${folder}`, name, value: words, place };
  }
  if (ambiguousConf.has(name)) fail(`both families have ${name}`, `write ipv4.${name} or ipv6.${name}`);
  else if (neighNames.has(name))
    fail(`both families have ${name}`, `write ipv4.neigh.${name} or ipv6.neigh.${name}`);
  else {
    const family = familyOfConf(name);
    if (family !== undefined) return { folder: `${family}.conf`, name, value: words, place };
    const nearest = suggest(name, [...confNames, ...ambiguousConf, ...neighNames]);
    fail(
      `'${name}' is not a known parameter of an interface`,
      nearest === undefined
        ? `if this kernel has it, say of which family: ipv4.${name} or ipv6.${name}`
        : `did you mean '${nearest}'?`,
    );
  }
  return undefined;
}

/** The parameters under their full names; an interface's dots stand for themselves behind slashes, as sysctl(8) has it. */
export function nameSysctls(
  sysctls: readonly InterfaceSysctl[] | undefined,
  device: string,
): readonly Sysctl[] | undefined {
  return sysctls?.map(({ folder, name, value, place }) => ({
    name: `net.${folder}.${device.replaceAll('.', '/')}.${name}`,
    value,
    place,
  }));
}
