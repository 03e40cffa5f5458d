import { isAbsolute } from 'node:path';
import type { Namespace as RawNamespace } from '../../generated/topology-file.ts';
import { compareNames } from '../../lib/collections.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import type { Namespace, Ready, Service } from '../../topology/model.ts';
import { suggest } from '../suggest.ts';
import type { Context } from './context.ts';
import { listNames } from './names.ts';
import { checkLogs, expandLimit } from './service-logs.ts';
import { splitWords } from './words.ts';

type RawServices = NonNullable<NonNullable<RawNamespace>['services']>;
type RawService = RawServices[string];
type RawReady = NonNullable<RawService['ready']>;

/** A service and its files are files below /run/topoweave. */
const nameForm = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

const milliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

interface Request {
  readonly namespace: string;
  /** The pointer of the section. */
  readonly base: string;
  readonly raw: RawServices | undefined;
  /** Those that interfaces and bridges stand for. */
  readonly made: readonly Service[];
}

/** The services of a namespace, those that its interfaces stand for included; sorted by name. */
export function normalizeServices(context: Context, { namespace, base, raw, made }: Request): Service[] {
  if (raw === undefined && made.length === 0) return [];
  const services = new Map<string, Service>();
  for (const [name, settings] of Object.entries(raw ?? {})) {
    const at = base + pointer(name);
    const place: Place = { pointer: at, part: 'key' };
    if (!nameForm.test(name)) {
      const message = `'${name}' cannot be the name of a service: letters, digits, dots, dashes and underscores`;
      context.report({ code: 'service', message, place });
      continue;
    }
    services.set(name, expandService(context, settings, { namespace, at, place, name }));
  }
  for (const service of made) {
    const earlier = services.get(service.name);
    if (earlier === undefined) services.set(service.name, service);
    else
      context.report({
        code: 'service-twice',
        message: `'${service.name}' is the service that this stands for, and there is one of that name`,
        place: service.place,
        related: [{ message: 'the other one', place: earlier.place }],
      });
  }
  checkLogs(context, [...services.values()]);
  return [...services.values()].sort((a, b) => compareNames(a.name, b.name));
}

interface Where {
  readonly namespace: string;
  readonly name: string;
  readonly at: string;
  readonly place: Place;
}

function expandService(context: Context, raw: RawService, { namespace, name, at, place }: Where): Service {
  const value = (key: string): Place => ({ pointer: `${at}/${key}`, part: 'value' });
  const fail = (message: string, key: string) =>
    context.report({ code: 'service', message, place: value(key) });
  const environment: Record<string, string> = {};
  for (const [key, text] of Object.entries(raw.environment ?? {}).sort(([a], [b]) => compareNames(a, b))) {
    if (!/^[A-Za-z_]\w*$/.test(key))
      fail(`'${key}' cannot be the name of an environment variable`, 'environment');
    environment[key] = checkText(String(text), () => fail('it has a zero byte', 'environment'));
  }
  for (const file of Object.keys(raw.files ?? {}))
    if (!nameForm.test(file)) fail(`'${file}' cannot be the name of a file in the service's folder`, 'files');
  for (const key of ['directory', 'log'] as const) {
    const path = raw[key];
    if (path === undefined || (isAbsolute(path) && !/\p{Cc}/u.test(path))) continue;
    if (key === 'directory') fail(`'${path}' is not an absolute path`, key);
    else if (!nameForm.test(path)) fail(`'${path}' is neither the name of a file nor an absolute path`, key);
  }
  for (const key of ['user', 'owner'] as const) {
    const user = raw[key];
    if (user !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(user))
      fail(`'${user}' is not the name of a user`, key);
  }
  return {
    name,
    command: expandCommand(context, raw.command, value('command')),
    environment,
    user: raw.user === 'root' || raw.user === '0' ? undefined : raw.user,
    ...(raw.owner === undefined ? {} : { owner: raw.owner }),
    ...(raw.capabilities === undefined ? {} : { capabilities: [...raw.capabilities].sort() }),
    directory: raw.directory,
    files: raw.files ?? {},
    log: raw.log,
    ...(raw['log-limit'] === undefined
      ? {}
      : {
          logLimit: expandLimit(raw['log-limit'], (message, help) => {
            context.report({ code: 'service', message, place: value('log-limit'), help });
          }),
        }),
    ready: raw.ready === undefined ? undefined : expandReady(context, raw.ready, `${at}/ready`),
    after: (raw.after ?? []).map((other) => (other.includes('/') ? other : `${namespace}/${other}`)),
    stopWithin: expandTime(raw['stop-within'] ?? '5s'),
    place,
  };
}

function expandCommand(context: Context, raw: string | readonly string[], place: Place): string[] {
  const words = typeof raw === 'string' ? splitWords(raw) : [...raw];
  const fail = (message: string, help?: string) =>
    context.report({ code: 'service', message, place, ...(help === undefined ? {} : { help }) });
  if (words === undefined) fail('a quote is not closed');
  else if (words.length === 0 || words[0] === '') fail('there is no command');
  else if (words[0]?.includes('='))
    fail(`'${words[0]}' is not a program`, 'variables have a key of their own: environment: { NAME: value }');
  const isShell =
    typeof raw === 'string' && words?.some((word) => /^([|<>&;]|&&|\|\||[0-9]?>.*)$/.test(word));
  if (isShell)
    fail(
      'no shell reads this, so | & ; < > are arguments',
      'write [sh, -c, "…"] if a shell is what you want',
    );
  return (words ?? []).map((word) => checkText(word, () => fail('it has a zero byte')));
}

function checkText(text: string, fail: () => void): string {
  if (text.includes('\0')) fail();
  return text;
}

function expandReady(context: Context, { tcp, udp, command, within }: RawReady, at: string): Ready {
  if ((tcp ?? udp ?? command) === undefined)
    context.report({
      code: 'service',
      message: 'nothing tells when the service is ready',
      place: { pointer: at, part: 'value' },
      help: 'give tcp, udp or command',
    });
  return {
    tcp,
    udp,
    command:
      command === undefined
        ? undefined
        : expandCommand(context, command, { pointer: `${at}/command`, part: 'value' }),
    within: expandTime(within ?? '5s'),
  };
}

function expandTime(text: string): number {
  const [, number = '', unit = ''] = /^([0-9.]+)(ms|s|m)$/.exec(text) ?? [];
  return Math.round(Number(number) * (milliseconds[unit] ?? 0));
}

/** What comes after what must be there, and must not go round in a circle. */
export function checkServiceOrder({ report }: Context, namespaces: readonly Namespace[]): void {
  const services = new Map<string, Service>();
  for (const { name, services: list = [] } of namespaces)
    for (const service of list) services.set(`${name}/${service.name}`, service);
  const done = new Set<string>();
  const visit = (id: string, path: readonly string[]): void => {
    const service = services.get(id);
    if (service === undefined || done.has(id)) return;
    if (path.includes(id)) {
      const circle = [...path.slice(path.indexOf(id)), id].join(' after ');
      report({
        code: 'service-order',
        message: `services wait for each other: ${circle}`,
        place: service.place,
      });
      return;
    }
    for (const other of service.after) visit(other, [...path, id]);
    done.add(id);
  };
  for (const [id, { after, place }] of services) {
    for (const [index, other] of after.entries()) {
      if (services.has(other)) continue;
      const [namespace = ''] = id.split('/');
      const near = suggest(other, [...services.keys()]);
      const own = [...services.keys()].filter((name) => name.startsWith(`${namespace}/`) && name !== id);
      report({
        code: 'service-order',
        message: `there is no service ${other}; ${namespace} has ${listNames(own.map((name) => name.slice(namespace.length + 1))) || 'no others'}`,
        place: { pointer: `${place.pointer}/after/${index}`, part: 'value' },
        ...(near === undefined ? {} : { help: `did you mean '${near}'?` }),
      });
    }
    visit(id, []);
  }
}
