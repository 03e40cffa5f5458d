import type { Place } from '../../lib/diagnostic.ts';
import { parseIp } from '../../lib/ip.ts';
import type { Report } from '../normalize/problem.ts';
import { addNat, type Draft } from './draft.ts';
import type { Member } from './members.ts';
import type { Net } from './read.ts';

const RANGE = '[0-9]+(?:-[0-9]+)?';
const shortForm = new RegExp(
  `^(?:(\\[[^\\]]*\\]|[^:[\\]]+):(${RANGE}):|(${RANGE}):)(${RANGE})(?:/(tcp|udp))?$`,
);

/** The published ports of a network's members, as entries of the router's `nat`. */
export function addPublished(
  draft: Draft,
  { net, members }: { readonly net: Net; readonly members: readonly Member[] },
  report: Report,
): void {
  for (const member of members) {
    for (const [index, entry] of (member.settings.publish ?? []).entries())
      addOne(draft, { net, member, text: String(entry), at: `${member.at}/publish/${index}` }, report);
  }
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
    fail(`'${text}' is not a published port`, 'write [ADDRESS:]PORT:PORT[/tcp|/udp], such as 8080:80');
    return;
  }
  const [, bound = net.raw['publish-address'], first, second = first ?? '', target = '', protocol = 'tcp'] =
    match;
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
      port: second,
      to,
      'to-port': target,
      protocol: protocol === 'udp' ? 'udp' : 'tcp',
      ...address,
    });
  }
}
