import type { Place } from '../../lib/diagnostic.ts';
import { familyOfAddress } from '../../lib/ip.ts';
import { HOST, hasNat, type Namespace } from '../../topology/model.ts';
import { listNames } from '../normalize/names.ts';
import type { Report } from '../normalize/problem.ts';
import { suggest } from '../suggest.ts';
import type { Subject } from './rules.ts';

/** nft takes any name for an outgoing interface, and a wrong one would silently match nothing. */
export function checkNatInterfaces({ topology, network }: Subject, report: Report): void {
  for (const { name, nat } of topology.namespaces) {
    if (name === HOST) continue;
    for (const { out, place } of [...nat.masquerade, ...nat.snat]) {
      if (out === undefined || out.name === 'lo' || network.interfaceOf(name, out.name) !== undefined)
        continue;
      const names = network.interfacesOf(name).map((item) => item.name);
      const nearest = suggest(out.name, names);
      report({
        code: 'nat-interface',
        message: `'${out.name}' is not an interface of ${name}; it has ${listNames(names) || 'none'}`,
        place: { pointer: `${place.pointer}/out`, part: 'value' },
        ...(nearest === undefined ? {} : { help: `did you mean '${out.not ? '!' : ''}${nearest}'?` }),
      });
    }
  }
}

/** NAT is for packets that pass through; without forwarding none does. */
export function checkForwarding({ topology, network }: Subject, report: Report): void {
  for (const namespace of topology.namespaces) {
    if (!hasNat(namespace)) continue;
    const { name, nat } = namespace;
    const warned = new Set<string>();
    const need = (family: 4 | 6 | undefined, place: Place, what: string) => {
      const isOn =
        family === undefined ? forwards(namespace, 4) || forwards(namespace, 6) : forwards(namespace, family);
      const word = `ipv${family ?? 4}`;
      if (isOn || warned.has(word)) return;
      warned.add(word);
      report({
        severity: 'warning',
        code: 'forwarding-off',
        message: `${name} does not forward IPv${family ?? 4}, so ${what} has no effect on packets of others`,
        place,
        help: `add forwarding: [${word}] to ${name}`,
      });
    };
    for (const { from, place } of nat.masquerade) need(familyOf(from), place, 'masquerade');
    for (const { to, place } of nat.snat) need(familyOf(to), place, 'snat');
    for (const { to, place } of nat.publish) {
      if (!network.hasAddress(name, to)) need(familyOf(to), place, 'a published port');
    }
  }
}

/** Whether the file turns forwarding on. */
export function forwards({ forwarding, sysctls }: Namespace, family: 4 | 6): boolean {
  const names =
    family === 4 ? ['net.ipv4.ip_forward', 'net.ipv4.conf.all.forwarding'] : ['net.ipv6.conf.all.forwarding'];
  const isOn = family === 4 ? forwarding?.ipv4 : forwarding?.ipv6;
  return isOn === true || sysctls.some(({ name, value }) => names.includes(name) && value !== '0');
}

function familyOf(address: string | undefined): 4 | 6 | undefined {
  return address === undefined ? undefined : familyOfAddress(address);
}
