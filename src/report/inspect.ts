import type { InspectedInterface, InspectedNamespace, Inspection } from '../observe/inspect.ts';
import type { Paint } from './style.ts';
import { formatTable } from './table.ts';
import { visibleIn } from './visible.ts';

export function formatInspection(inspection: Inspection, paint: Paint): string {
  const { namespaces, notNamespaces } = visibleIn(inspection);
  const parts = namespaces.map((namespace) => formatNamespace(namespace, paint));
  if (notNamespaces.length > 0) {
    const lines = notNamespaces.map(({ name, what }) => `  /run/netns/${name}: ${what}\n`);
    parts.push(`${paint('yellow', 'not a namespace')}:\n${lines.join('')}`);
  }
  return parts.join('\n');
}

function formatNamespace(namespace: InspectedNamespace, paint: Paint): string {
  const { name, lab, notOurs, forwarding, interfaces, bridges, routes, nat, services } = namespace;
  const facts = [
    ...(lab === null ? [] : [`lab ${lab}`]),
    ...(notOurs === null ? [] : [notOurs]),
    ...(forwarding.ipv4 || forwarding.ipv6
      ? [
          `forwards ${[forwarding.ipv4 ? 'IPv4' : '', forwarding.ipv6 ? 'IPv6' : ''].filter(Boolean).join(' and ')}`,
        ]
      : []),
  ];
  const title = name === 'host' ? 'host' : `namespace ${name}`;
  let text = `${paint('bold', title)}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}\n`;
  if (interfaces.length > 0) {
    text += indent(
      formatTable(
        ['INTERFACE', 'KIND', 'STATE', 'MTU', 'MAC', 'ADDRESSES', 'PEER OR BRIDGE'],
        interfaces.map(row),
      ),
    );
  }
  for (const bridge of bridges) text += `  bridge ${bridge.name}: ${bridge.ports.join(', ') || 'no ports'}\n`;
  for (const { to, table, type, nexthops, metric, protocol } of routes) {
    const words = [
      'route',
      type === 'unicast' ? '' : type,
      to,
      nexthops.join(', '),
      table === 'main' ? '' : `table ${table}`,
      metric === 0 ? '' : `metric ${metric}`,
      protocol === 'kernel' ? '(connected)' : '',
    ];
    text += `  ${words.filter((word) => word !== '').join(' ')}\n`;
  }
  for (const { name: service, state, pid, command } of services) {
    const how = state === 'running' ? `process ${pid}` : paint('red', state);
    text += `  service ${service} (${how}): ${command.join(' ')}\n`;
  }
  for (const rule of nat) text += `  nat ${rule}\n`;
  return text;
}

function row({
  name,
  kind,
  state,
  carrier,
  mtu,
  macaddress,
  addresses,
  master,
  peer,
}: InspectedInterface): string[] {
  const peerText =
    peer === null
      ? kind === 'veth'
        ? '(in an unnamed namespace)'
        : ''
      : `${peer.namespace}:${peer.interface}`;
  return [
    name,
    kind,
    state === 'up' && !carrier ? 'up, no carrier' : state,
    String(mtu),
    kind === 'loopback' ? '' : (macaddress ?? ''),
    addresses.join(' '),
    [peerText, master === null ? '' : `port of ${master}`].filter((word) => word !== '').join(', '),
  ];
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
