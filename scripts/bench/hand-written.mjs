// The best shell script that one would write by hand for a description: one `ip -batch` for all namespaces and veth
// pairs, each end born in its namespace, then one `ip -batch` for each namespace, by two workers.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes the scripts into a folder; the paths of the two to run. */
export function writeScripts(description, folder) {
  const names = Object.keys(description.namespaces);
  const write = (name, lines) => {
    writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
    return join(folder, name);
  };
  const outer = write('outer.batch', outerBatch(description));
  const jobs = names.map((name) =>
    job(name, description, write(`${name}.batch`, innerBatch(name, description))),
  );
  const half = Math.ceil(jobs.length / 2);
  const workers = [...worker(jobs.slice(0, half), 'first'), ...worker(jobs.slice(half), 'second')];
  const removal = write(
    'removal.batch',
    names.map((name) => `netns del ${name}`),
  );
  return {
    create: write('create.sh', ['set -e', `ip -batch ${outer}`, ...workers, 'wait $first', 'wait $second']),
    destroy: write('destroy.sh', [`exec ip -batch ${removal}`]),
  };
}

function worker(jobs, variable) {
  return ['{', 'set -e', ...jobs, `} & ${variable}=$!`];
}

function outerBatch({ namespaces, links }) {
  return [
    ...Object.keys(namespaces).map((name) => `netns add ${name}`),
    ...links.map(
      ([a, b]) =>
        `link add name ${a.name} netns ${a.namespace} type veth peer name ${b.name} netns ${b.namespace}`,
    ),
  ];
}

function innerBatch(name, { namespaces, bridges, links }) {
  const lines = ['link set lo up'];
  for (const [bridge, { namespace, addresses, stp }] of Object.entries(bridges)) {
    if (namespace !== name) continue;
    lines.push(`link add name ${bridge} up type bridge${stp ? ' stp_state 1' : ''}`);
    lines.push(...addresses.map((address) => `address add ${address} dev ${bridge}`));
  }
  for (const end of links.flat().filter(({ namespace }) => namespace === name)) {
    lines.push(`link set dev ${end.name}${end.bridge === undefined ? '' : ` master ${end.bridge}`} up`);
    lines.push(...end.addresses.map((address) => `address add ${address} dev ${end.name}`));
  }
  lines.push(...namespaces[name].routes.map(([to, via]) => `route add ${to} via ${via}`));
  return lines;
}

/** `ip -n` is the shorter way into a namespace, but a sysctl needs a shell in there. */
function job(name, { namespaces }, batch) {
  if (!namespaces[name].forwarding) return `ip -n ${name} -batch ${batch}`;
  const sysctls = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'];
  const writes = sysctls.map((path) => `echo 1 > /proc/sys/net/${path}`).join('; ');
  return `nsenter --net=/run/netns/${name} -- sh -c '${writes}; exec ip -batch ${batch}'`;
}
