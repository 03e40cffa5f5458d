import { confusable } from '../../lib/confusable.ts';
import type { Place } from '../../lib/diagnostic.ts';
import { isLongName, kernelName, LONGEST_ALTERNATIVE_NAME, LONGEST_NAME } from '../../lib/interface-name.ts';
import { pointer } from '../../lib/pointer.ts';
import { HOST, type Interface } from '../../topology/model.ts';
import { isDevice } from '../normalize/devices.ts';
import type { Report } from '../normalize/problem.ts';
import { isTunnel, underlayDevice } from '../normalize/underlay.ts';
import type { Subject } from './rules.ts';

/** NAME_MAX: a namespace is a file under /run/netns. */
const LONGEST_NAMESPACE = 255;

/**
 * The kernel refuses blanks, slashes and colons in the name of an interface and takes a percent sign as a pattern
 * (dev_valid_name, dev_alloc_name); the others have a meaning in the files of `ip -batch` and `nft -f`.
 */
const forbidden = /[\s/:%"'`\\*#$;&|<>(){}[\]!?,]|\p{Cc}/u;

/** Names that nothing can be said against, but that one of them may be taken: nearly all. */
const plain = /^[a-z0-9][a-z0-9_-]{0,14}$/i;

/** Names below /proc/sys/net/ipv4/conf, and devices that the kernel makes when it loads a tunnel's module. */
const reserved: ReadonlyMap<string, string> = new Map([
  ['all', 'the kernel keeps settings for all interfaces under it'],
  ['default', 'the kernel keeps settings for new interfaces under it'],
  ['lo', 'the loopback interface has it'],
  ...['gre0', 'gretap0', 'erspan0', 'ip6gre0', 'ip6tnl0', 'sit0', 'tunl0', 'ip_vti0', 'ip6_vti0'].map(
    (name): [string, string] => [name, 'the kernel makes a fallback device of that name'],
  ),
  ...['ovs-system', 'ovs-netdev'].map((name): [string, string] => [
    name,
    'Open vSwitch makes a device of that name',
  ]),
]);

export function checkInterfaceNames({ topology }: Subject, report: Report): void {
  const tunnels = new Set<string>();
  for (const item of topology.interfaces) {
    if (item.kind === 'loopback') continue;
    if (isTunnel(item)) {
      // All ends have the tunnel's name, which stands in the file once.
      if (tunnels.has(item.name)) continue;
      tunnels.add(item.name);
    }
    checkInterfaceName(item.name, placeOfName(item), report);
    if (item.kind === 'adopted') checkAdoptedName(item, placeOfName(item), report);
    if (item.kind === 'ovs-bridge' || item.ovsBridge !== undefined)
      checkOvsName(item.name, placeOfName(item), report);
    if (item.kind !== 'ovs-bridge') continue;
    for (const { name, place, form } of item.ports)
      if (form.is === 'tunnel' || form.is === 'bond') checkPortName(name, place, report);
  }
}

/** A port that is no interface may have the name of a fallback device, but for the rest the rules are the same. */
function checkPortName(name: string, place: Place, report: Report): void {
  if (!reserved.has(name)) checkInterfaceName(name, place, report);
  checkOvsName(name, place, report);
}

/** Open vSwitch finds interfaces by the kernel's names, and knows no alternative ones. */
function checkOvsName(name: string, place: Place, report: Report): void {
  if (!isLongName(name)) return;
  report({
    code: 'name-too-long',
    message: `'${name}' has ${Buffer.byteLength(name)} characters; Open vSwitch takes ${LONGEST_NAME}`,
    place,
    help: 'give it a shorter name',
  });
}

/** Two names of a namespace that the kernel could not tell apart: one is what it would call the other. */
export function checkKernelNames({ topology }: Subject, report: Report): void {
  const seen = new Map<string, Interface>();
  for (const item of topology.interfaces) {
    const key = `${item.namespace} ${kernelName(item.name)}`;
    const earlier = seen.get(key);
    seen.set(key, item);
    if (earlier === undefined) continue;
    report({
      code: 'name-taken',
      message: `interfaces '${earlier.name}' and '${item.name}' would both be called ${kernelName(item.name)} by the kernel`,
      place: placeOfName(item),
      help: 'give one of them another name',
    });
  }
}

export function checkNamespaceNames({ topology }: Subject, report: Report): void {
  for (const { name, place } of topology.namespaces) {
    if (plain.test(name)) continue;
    const fail = (message: string) => report({ code: 'bad-namespace-name', message, place });
    const bytes = Buffer.byteLength(name);
    if (name === '') fail('the name of a namespace is empty');
    else if (name === '.' || name === '..')
      fail(`a namespace cannot be called '${name}', which means a folder`);
    else if (name.startsWith('-')) fail(`namespace name '${name}' begins with a dash, as an option does`);
    else if (bytes > LONGEST_NAMESPACE)
      fail(`namespace name '${name}' has ${bytes} characters; a file name has at most ${LONGEST_NAMESPACE}`);
    else if (isForbidden(name)) fail(`namespace name '${name}' contains ${badCharacter(name)}; ${advice}`);
  }
}

/**
 * What the machine itself has cannot be known here, but the names that the file takes for it go into the same batches
 * and scripts as ours.
 */
export function checkForeignNames({ topology }: Subject, report: Report): void {
  const check = (name: string | undefined, place: Place) => {
    if (name === undefined || (name !== '' && !isForbidden(name) && !name.startsWith('-'))) return;
    const message =
      name === '' ? 'the name of an interface is empty' : `'${name}' is not the name of an interface`;
    report({ code: 'bad-interface-name', message, place });
  };
  for (const { name, routes, nat } of topology.namespaces) {
    if (name !== HOST) continue;
    for (const { dev, place } of routes.flatMap(({ nexthops }) => nexthops)) check(dev, place);
    for (const { out, place } of [...nat.masquerade, ...nat.snat]) check(out?.name, place);
  }
  for (const item of topology.interfaces) {
    if (isTunnel(item) && item.namespace === HOST) check(underlayDevice(item), item.place);
    if (isDevice(item) && item.link?.namespace === HOST)
      check(item.link.name, { pointer: `${item.place.pointer}/link`, part: 'value' });
  }
}

const advice = "use letters, digits, '.', '_' and '-'";

/** One that is adopted gets no alternative name, so that nothing of ours is on it when it is given back. */
function checkAdoptedName({ name }: Interface, place: Place, report: Report): void {
  if (!isLongName(name)) return;
  report({
    code: 'name-too-long',
    message: `an adopted interface cannot be called '${name}'; the kernel takes ${LONGEST_NAME} characters`,
    place,
  });
}

function checkInterfaceName(name: string, place: Place, report: Report): void {
  if (plain.test(name) && !reserved.has(name)) return;
  const fail = (code: string, message: string) => report({ code, message, place });
  const bytes = Buffer.byteLength(name);
  const reason = reserved.get(name);
  if (name === '') fail('bad-interface-name', 'the name of an interface is empty');
  else if (name === '.' || name === '..') {
    fail('bad-interface-name', `an interface cannot be called '${name}', which means a folder`);
  } else if (name.startsWith('-')) {
    fail('bad-interface-name', `interface name '${name}' begins with a dash, as an option does`);
  } else if (isForbidden(name)) {
    fail('bad-interface-name', `interface name '${name}' contains ${badCharacter(name)}; ${advice}`);
  } else if (bytes > LONGEST_ALTERNATIVE_NAME) {
    const unit = bytes === name.length ? 'characters' : 'bytes';
    fail(
      'name-too-long',
      `interface name '${name}' has ${bytes} ${unit}; the kernel takes ${LONGEST_ALTERNATIVE_NAME}, as an alternative name`,
    );
  } else if (reason !== undefined) {
    fail('reserved-name', `interface name '${name}' is reserved: ${reason}; use another name`);
  }
}

function badCharacter(name: string): string {
  const unseen = confusable(name);
  if (unseen !== undefined) return unseen;
  const [character = ''] = forbidden.exec(name) ?? [];
  if (character === ' ') return 'a blank';
  return /[\s\p{Cc}]/u.test(character) ? 'a control character' : `'${character}'`;
}

function placeOfName(item: Interface): Place {
  return isTunnel(item) ? { pointer: pointer('tunnels', item.name), part: 'key' } : item.place;
}

function isForbidden(name: string): boolean {
  return forbidden.test(name) || confusable(name) !== undefined;
}
