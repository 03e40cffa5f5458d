import { compareNames } from '../../lib/collections.ts';
import { TopoweaveError } from '../../lib/errors.ts';
import type { WireguardDevice, WireguardLivePeer } from '../../observe/live.ts';
import { enterablePath } from '../../system/netns.ts';
import { run } from '../../system/run.ts';
import { fingerprint } from '../../system/wireguard-keys.ts';

/**
 * Reads devices by `wg show NAME dump` (wireguard-tools 1.0): through a pipe and not through a file, because there are
 * keys in it. What comes out of here has none. A device that went meanwhile is left out.
 *
 * @throws UnavailableError when wg is not installed; TopoweaveError when it cannot read.
 */
export async function readWireguard(namespace: string, names: readonly string[]): Promise<WireguardDevice[]> {
  const netns = enterablePath(namespace);
  const enter = netns === undefined ? [] : ['nsenter', `--net=${netns}`, '--'];
  const devices: WireguardDevice[] = [];
  // nsenter would only say that it found no program.
  if (netns !== undefined) await run(['wg', '--version']);
  for (const name of names) {
    const { code, stdout, stderr } = await run([...enter, 'wg', 'show', name, 'dump']);
    if (code === 0) devices.push(parseDump(name, stdout));
    else if (!/No such (device|file)/.test(stderr))
      throw new TopoweaveError('observe', `cannot read ${name} in ${namespace}: ${stderr.trim()}`);
  }
  return devices;
}

/** The device's line, then one for each peer, with tabs between the fields. */
export function parseDump(ifname: string, text: string): WireguardDevice {
  const [own = '', ...peers] = text.split('\n').filter((line) => line !== '');
  const [, publicKey, port, fwmark] = own.split('\t');
  return {
    ifname,
    publicKey: publicKey === undefined || publicKey === '(none)' ? 'none' : publicKey,
    port: Number(port),
    fwmark: fwmark === 'off' ? 0 : Number(fwmark),
    peers: peers.map(parsePeer).sort((a, b) => compareNames(a.publicKey, b.publicKey)),
  };
}

function parsePeer(line: string): WireguardLivePeer {
  const [publicKey = '', presharedKey = '', endpoint, allowedIps = '', , , , keepalive] = line.split('\t');
  return {
    publicKey,
    presharedKey: presharedKey === '(none)' ? 'none' : fingerprint(Buffer.from(presharedKey, 'base64')),
    endpoint: endpoint === '(none)' ? undefined : endpoint,
    allowedIps: allowedIps === '(none)' ? [] : allowedIps.split(',').sort(compareNames),
    keepalive: keepalive === 'off' ? 0 : Number(keepalive),
  };
}
