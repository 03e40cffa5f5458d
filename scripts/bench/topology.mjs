// The topoweave file of a description.

export function topology({ name, namespaces, bridges, links }) {
  const lines = [`name: ${name}`, 'namespaces:'];
  for (const [key, value] of Object.entries(namespaces)) lines.push(`  ${key}: ${namespaceOf(value)}`);
  if (Object.keys(bridges).length > 0) lines.push('bridges:');
  for (const [key, bridge] of Object.entries(bridges)) lines.push(...bridgeLines(key, bridge, links));
  const cables = links.filter((link) => !isPort(link));
  if (cables.length > 0) lines.push('links:');
  for (const link of cables) lines.push(`  - endpoints: { ${link.map(endpoint).join(', ')} }`);
  return `${lines.join('\n')}\n`;
}

/** The same lab with one address more, in the namespace that comes last. */
export function withOneAddressMore(description) {
  const last = description.links.at(-1);
  const host = last.find((end) => end.bridge === undefined) ?? last[0];
  const changed = { ...host, addresses: [...host.addresses, '192.0.2.1/32'] };
  const link = last.map((end) => (end === host ? changed : end));
  return { ...description, links: [...description.links.slice(0, -1), link] };
}

/** A link from a namespace into a bridge is a port of the bridge; one between two bridges is a cable. */
function isPort([a, b]) {
  return (a.bridge === undefined) !== (b.bridge === undefined);
}

function namespaceOf({ forwarding, routes }) {
  const keys = [];
  if (forwarding) keys.push('forwarding: true');
  if (routes.length > 0) keys.push(`routes: { ${routes.map(([to, via]) => `${to}: ${via}`).join(', ')} }`);
  return keys.length === 0 ? '{}' : `{ ${keys.join(', ')} }`;
}

function bridgeLines(key, { namespace, addresses, stp }, links) {
  const lines = [`  ${key}:`, `    namespace: ${namespace}`];
  if (addresses.length > 0) lines.push(`    addresses: [${addresses.join(', ')}]`);
  if (stp) lines.push('    parameters: { stp: true }');
  const own = links.filter((link) => link.some(({ bridge }) => bridge === key));
  const ports = own.filter(isPort);
  if (ports.length > 0) lines.push('    ports:');
  for (const link of ports) lines.push(`      ${portLine(link)}`);
  const members = own
    .filter((link) => !isPort(link))
    .flatMap((link) => link.filter(({ bridge }) => bridge === key).map(({ name }) => name));
  if (members.length > 0) lines.push(`    members: [${members.join(', ')}]`);
  return lines;
}

function portLine(link) {
  const far = link.find(({ bridge }) => bridge === undefined);
  const near = link.find(({ bridge }) => bridge !== undefined);
  const keys = [`port-name: ${near.name}`];
  if (far.addresses.length > 0) keys.unshift(`addresses: [${far.addresses.join(', ')}]`);
  return `${far.namespace}:${far.name}: { ${keys.join(', ')} }`;
}

function endpoint({ namespace, name, addresses }) {
  const value = addresses.length === 1 ? addresses[0] : `[${addresses.join(', ')}]`;
  return `${namespace}:${name}: ${addresses.length === 0 ? '{}' : value}`;
}
