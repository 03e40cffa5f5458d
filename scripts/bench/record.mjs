// A recording made from a description, for when topoweave has not written one.
import { addAddress, addBridge, addDefaultRoute, addVeth, setUp } from './netlink.mjs';
import { encode, operations } from './recording.mjs';

/** Messages that go together: their answers must fit into the socket's buffer. */
const TOGETHER = 50;
const LOOPBACK = 1;
/** Where the numbers of new interfaces begin: above those that the kernel gives to what each namespace is born with. */
const FIRST_INDEX = 100;

/** The fewest calls for a description: what a recording is without topoweave's marks of ownership. */
export function recordCreate(description) {
  const { namespaces, links } = description;
  const index = numberInterfaces(description);
  const pairs = links.map((link) => addVeth(...link.map((end) => ({ ...end, index: index(end) }))));
  return encode([
    ...Object.keys(namespaces).map((name) => ({ operation: operations.make, name })),
    ...sends('', pairs),
    ...Object.keys(namespaces).flatMap((name) => [
      ...forwarding(name, namespaces[name]),
      ...sends(name, innerMessages(name, description, index)),
    ]),
  ]);
}

export function recordDestroy({ namespaces }) {
  return encode(Object.keys(namespaces).map((name) => ({ operation: operations.remove, name })));
}

/** The number of each interface in its namespace, by the interface's description. */
function numberInterfaces({ bridges, links }) {
  const numbers = new Map();
  const next = new Map();
  const named = Object.entries(bridges).map(([name, { namespace }]) => ({ namespace, name }));
  for (const { namespace, name } of [...named, ...links.flat()]) {
    const number = next.get(namespace) ?? FIRST_INDEX;
    next.set(namespace, number + 1);
    numbers.set(`${namespace}:${name}`, number);
  }
  return ({ namespace, name }) => numbers.get(`${namespace}:${name}`);
}

function innerMessages(name, { namespaces, bridges, links }, index) {
  const messages = [setUp(LOOPBACK)];
  for (const [key, { namespace, addresses, stp }] of Object.entries(bridges)) {
    if (namespace !== name) continue;
    const number = index({ namespace, name: key });
    messages.push(addBridge({ index: number, name: key, stp }));
    messages.push(...addresses.map((address) => addAddress(number, address)));
  }
  for (const end of links.flat().filter(({ namespace }) => namespace === name)) {
    const master = end.bridge && index({ namespace: name, name: end.bridge });
    messages.push(setUp(index(end), master));
    messages.push(...end.addresses.map((address) => addAddress(index(end), address)));
  }
  messages.push(...namespaces[name].routes.map(([, via]) => addDefaultRoute(via)));
  return messages;
}

function forwarding(name, namespace) {
  if (!namespace.forwarding) return [];
  const paths = ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding'];
  return paths.map((path) => ({
    operation: operations.sysctl,
    name,
    payload: Buffer.from(`${path}\u00001`),
  }));
}

function sends(name, messages) {
  const entries = [];
  for (let i = 0; i < messages.length; i += TOGETHER) {
    const relocations = [];
    const parts = [];
    let length = 0;
    for (const message of messages.slice(i, i + TOGETHER)) {
      for (const { offset, name: to } of message.relocations)
        relocations.push({ offset: length + offset, name: to });
      parts.push(message.bytes);
      length += message.bytes.length;
    }
    entries.push({ operation: operations.send, name, payload: Buffer.concat(parts), relocations });
  }
  return entries;
}
