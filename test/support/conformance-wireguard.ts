import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { ipEngine } from '../../src/engine/ip/engine.ts';
import { netlinkEngine } from '../../src/engine/netlink/engine.ts';
import { sh, workFolder } from './host.ts';

/** So many that the kernel needs several messages for the device, and for the prefixes of one peer. */
const PEERS = 120;
const PREFIXES = 900;

const request = { lab: 'x', nat: new Set<string>(), sysctls: new Map<string, string[]>() };

/** A device made with `wg`, read by netlink as by `wg show dump`. */
export async function testWireguardReading(): Promise<void> {
  const folder = workFolder();
  sh('ip', 'netns', 'add', 'c0');
  try {
    for (const name of ['wg0', 'wg1', 'wg2']) {
      sh('ip', '-n', 'c0', 'link', 'add', name, 'type', 'wireguard');
      if (name !== 'wg2') sh('ip', '-n', 'c0', 'link', 'set', name, 'alias', 'topoweave:x:');
    }
    const config = [
      '[Interface]',
      `PrivateKey = ${sh('wg', 'genkey').trim()}`,
      'ListenPort = 7',
      'FwMark = 0x51',
      ...Array.from({ length: PEERS }, (_, index) => peerLines(index)).flat(),
    ].join('\n');
    // Not by a pipe: Node makes a socket of it, which cannot be opened as /dev/stdin.
    sh('ip', 'netns', 'exec', 'c0', 'wg', 'setconf', 'wg0', folder.write('wg0.conf', `${config}\n`));
    const [mine, reference] = [
      await netlinkEngine.read(['c0'], request),
      await ipEngine.read(['c0'], request),
    ];
    const [device, empty] = mine.get('c0')?.wireguard ?? [];
    expect(device?.peers).toHaveLength(PEERS);
    expect(device?.peers.some(({ allowedIps }) => allowedIps.length === PREFIXES)).toBe(true);
    expect(empty).toMatchObject({ ifname: 'wg1', publicKey: 'none', peers: [] });
    expect(mine.get('c0')?.wireguard).toEqual(reference.get('c0')?.wireguard);
    // wg2 is nobody's of this lab.
    expect(mine.get('c0')?.wireguard).toHaveLength(2);
    const other = await netlinkEngine.read(['c0'], { ...request, lab: undefined });
    expect(other.get('c0')?.wireguard).toBeUndefined();
  } finally {
    sh('ip', 'netns', 'del', 'c0');
    folder.remove();
  }
}

function peerLines(index: number): string[] {
  const key = createHash('sha256').update(`peer ${index}`).digest('base64');
  const prefixes =
    index === 5
      ? Array.from({ length: PREFIXES }, (_, at) => `10.${at >> 8}.${at & 255}.0/24`)
      : [`172.16.${index}.1/32`, `fd00:${index}::/64`].slice(0, index % 3);
  return [
    '[Peer]',
    `PublicKey = ${key}`,
    ...(index % 2 === 0 ? [`PresharedKey = ${key}`] : []),
    ...(index % 4 === 0 ? [`Endpoint = 192.0.2.${index}:${index + 1}`] : []),
    ...(index % 4 === 1 ? [`Endpoint = [2001:db8::${index}]:9`] : []),
    ...(index % 5 === 0 ? ['PersistentKeepalive = 25'] : []),
    ...(prefixes.length === 0 ? [] : [`AllowedIPs = ${prefixes.join(', ')}`]),
  ];
}
