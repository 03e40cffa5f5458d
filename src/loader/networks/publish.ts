import type { Place } from '../../lib/diagnostic.ts';
import { type Ip, parseIp } from '../../lib/ip.ts';
import type { Exposed } from '../../topology/model.ts';
import { withoutSeen } from '../normalize/expose.ts';
import type { Report } from '../normalize/problem.ts';
import { addListed, addNat, type Draft } from './draft.ts';
import type { Member } from './members.ts';
import type { Net } from './read.ts';

const RANGE = '[0-9]+(?:-[0-9]+)?';
const SHORT_FORM = '[[ADDRESS:][PORT]:]PORT[/tcp|/udp|/sctp]';

// As docker run -p: with nothing in the place of the router's port, or without it, one is chosen that is free.
const shortForm = new RegExp(
  `^(?:(?:(\\[[^\\]]*\\]|[^:[\\]]+):(${RANGE})?:)|(?:(${RANGE}):))?(${RANGE})(?:/(tcp|udp|sctp))?$`,
);

interface Subject {
  readonly net: Net;
  readonly member: Member;
  readonly report: Report;
}

/** What members expose, as what their namespaces do. */
export function addExposed(draft: Draft, members: readonly Member[]): void {
  for (const { namespace, settings, at } of members)
    for (const [index, port] of (settings.expose ?? []).entries())
      addListed(draft, { namespace, origin: `${at}/expose/${index}` }, 'expose', port);
}

/** The published ports of a network's members, as entries of the router's `nat`. */
export function addPublished(
  draft: Draft,
  { net, members }: { readonly net: Net; readonly members: readonly Member[] },
  report: Report,
): void {
  for (const member of members) {
    const { settings, at } = member;
    for (const [index, entry] of (settings.publish ?? []).entries())
      addOne(draft, { net, member, report }, { text: String(entry), at: `${at}/publish/${index}` });
    if (settings['publish-all'] === true) addAll(draft, { net, member, report }, `${at}/publish-all`);
  }
}

interface Bound {
  readonly text: string;
  /** The place of the address. */
  readonly at: string;
}

/** An address that ports are bound to. */
function readBound({ report }: Subject, { text, at }: Bound): Ip | undefined {
  const ip = parseIp(text.replace(/^\[|\]$/g, ''));
  if (ip === undefined)
    report({
      code: 'bad-publish',
      message: `'${text}' is not an address`,
      place: { pointer: at, part: 'value' },
    });
  return ip;
}

/** 0.0.0.0 and [::] stand for all addresses of one family. */
function boundTo(ip: Ip | undefined): { readonly address?: string } {
  return ip === undefined || ip.value === 0n ? {} : { address: ip.address };
}

/** What the network says where an entry does not; undefined where it says nothing. */
function defaultBound({ raw, base }: Net): Bound | undefined {
  const text = raw['publish-address'];
  return text === undefined ? undefined : { text, at: `${base}/publish-address` };
}

function isOpen({ net, member, report }: Subject, place: Place): boolean {
  if (!net.isInternal) return true;
  const message = `network ${net.name} is internal, so a port of ${member.namespace} cannot be published`;
  report({ code: 'bad-publish', message, place });
  return false;
}

function addOne(draft: Draft, subject: Subject, { text, at }: { text: string; at: string }): void {
  const { net, member, report } = subject;
  const place: Place = { pointer: at, part: 'value' };
  const fail = (message: string, help?: string) =>
    report({ code: 'bad-publish', message, place, ...(help === undefined ? {} : { help }) });
  if (!isOpen(subject, place)) return;
  const match = shortForm.exec(text);
  if (match === null) {
    fail(`'${text}' is not a published port`, `write ${SHORT_FORM}, such as 8080:80`);
    return;
  }
  const [, address, bound, plain, target = '', protocol = 'tcp'] = match;
  const given = address === undefined ? defaultBound(net) : { text: address, at };
  const ip = given && readBound(subject, given);
  if (given !== undefined && ip === undefined) return;
  const port = bound ?? plain ?? 'auto';
  const targets = [...member.ips.values()].filter(({ family }) => ip === undefined || ip.family === family);
  if (targets.length === 0)
    fail(`${member.namespace} has no address of IPv${ip?.family ?? 4} in the network`);
  for (const { address: to } of targets) {
    addNat(draft, { namespace: net.namespace, origin: at }, 'publish', {
      port,
      to,
      'to-port': target,
      protocol: protocol as 'tcp' | 'udp' | 'sctp',
      ...boundTo(ip),
    });
  }
}

/** Each port that the member exposes, in this network or elsewhere in the file, at one that is free. */
function addAll(draft: Draft, subject: Subject, at: string): void {
  const { member, report } = subject;
  const place: Place = { pointer: at, part: 'value' };
  if (!isOpen(subject, place)) return;
  const exposed = draft.namespaces.get(member.namespace)?.expose ?? [];
  const seen = new Set<string>();
  for (const port of exposed)
    for (const text of newPorts(String(port), seen)) addOne(draft, subject, { text, at });
  if (exposed.length > 0) return;
  report({
    code: 'bad-publish',
    message: `${member.namespace} exposes no port`,
    place,
    help: 'write the ports: expose: [80, "53/udp"]',
  });
}

/** What is no range is told of where it stands. */
function newPorts(text: string, seen: Set<string>): string[] {
  const [range = '', protocol = 'tcp'] = text.split('/');
  const [first = 0, last = first] = range.split('-').map(Number);
  if (!(first >= 1 && first <= last && last <= 65535)) return [text];
  const port = { first, last };
  const ports = withoutSeen({ protocol: protocol as Exposed['protocol'], port }, seen);
  return ports.map((fresh) => (fresh.port === port ? text : `${fresh.port.first}/${protocol}`));
}
