import type { Place } from '../../lib/diagnostic.ts';
import { parseIp } from '../../lib/ip.ts';
import type { Report } from '../normalize/problem.ts';
import { addExposedPort, addNat, type Draft } from './draft.ts';
import type { Member } from './members.ts';
import type { Net } from './read.ts';

const RANGE = '[0-9]+(?:-[0-9]+)?';
// Nothing in the place of the first port means one that is free.
const shortForm = new RegExp(
  `^(?:(?:(\\[[^\\]]*\\]|[^:[\\]]+):)?(${RANGE}|):)?(${RANGE})(?:/(tcp|udp|sctp))?$`,
);
const FORM = '[[ADDRESS:][PORT]:]PORT[/tcp|/udp|/sctp]';

/** What members expose, as what their namespaces do. */
export function addExposed(draft: Draft, members: readonly Member[]): void {
  for (const { namespace, settings, at } of members)
    for (const [index, port] of (settings.expose ?? []).entries())
      addExposedPort(draft, { namespace, origin: `${at}/expose/${index}` }, port);
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
      addOne(draft, { net, member, text: String(entry), at: `${at}/publish/${index}` }, report);
    if (settings['publish-all'] === true) addAll(draft, { net, member }, report);
  }
}

/** Each port that the member exposes, in this network or elsewhere in the file. */
function addAll(draft: Draft, { net, member }: Pick<Entry, 'net' | 'member'>, report: Report): void {
  const at = `${member.at}/publish-all`;
  const exposed = draft.namespaces.get(member.namespace)?.expose ?? [];
  for (const port of exposed) addOne(draft, { net, member, text: String(port), at }, report);
  if (exposed.length > 0) return;
  report({
    code: 'bad-publish',
    message: `${member.namespace} exposes no port`,
    place: { pointer: at, part: 'value' },
    help: `write the ports: expose: [80, "53/udp"]`,
  });
}

interface Entry {
  readonly net: Net;
  readonly member: Member;
  readonly text: string;
  readonly at: string;
}

function addOne(draft: Draft, { net, member, text, at }: Entry, report: Report): void {
  const place: Place = { pointer: at, part: 'value' };
  const fail = (message: string, help?: string) =>
    report({ code: 'bad-publish', message, place, ...(help === undefined ? {} : { help }) });
  if (net.isInternal) {
    fail(`network ${net.name} is internal, so a port of ${member.namespace} cannot be published`);
    return;
  }
  const match = shortForm.exec(text);
  if (match === null) {
    fail(`'${text}' is not a published port`, `write ${FORM}, such as 8080:80`);
    return;
  }
  const [, bound = net.raw['publish-address'], port = '', target = '', protocol = 'tcp'] = match;
  const ip = bound === undefined ? undefined : parseIp(bound.replace(/^\[|\]$/g, ''));
  if (bound !== undefined && ip === undefined) {
    fail(`'${bound}' is not an address`);
    return;
  }
  // 0.0.0.0 and [::] stand for all addresses of one family.
  const address = ip === undefined || ip.value === 0n ? {} : { address: ip.address };
  const targets = [...member.ips.values()].filter(({ family }) => ip === undefined || ip.family === family);
  if (targets.length === 0)
    fail(`${member.namespace} has no address of IPv${ip?.family ?? 4} in the network`);
  for (const { address: to } of targets) {
    addNat(draft, { namespace: net.namespace, origin: at }, 'publish', {
      port: port === '' ? 'auto' : port,
      to,
      'to-port': target,
      protocol: protocol as 'tcp' | 'udp' | 'sctp',
      ...address,
    });
  }
}
