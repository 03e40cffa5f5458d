import { expectCode, ifindex, workFolder } from './host.ts';

export const folder = workFolder();

/** Devices of the namespace `a`, and `rest` as further sections; eth0 to eth2 are links to b, and up0 one of the host. */
export function lab(devices: string, rest = ''): string {
  return folder.write(
    'devices.yaml',
    `name: devices
namespaces:
  a:
    interfaces:
${devices.replace(/^/gm, '      ')}
  b: {}
links: [[a:eth0, b:eth0], [a:eth1, b:eth1], [a:eth2, b:eth2], [host:up0, b:up0]]
${rest}`,
  );
}

/** Applies both files, the second with a second plan that is empty; whether the interface is still the same one. */
export async function isKept(name: string, before: string, after: string): Promise<boolean> {
  await expectCode(0, 'apply', lab(before));
  await expectCode(0, 'plan', '--detailed-exitcode', lab(before));
  const index = ifindex('a', name);
  await expectCode(2, 'plan', '--detailed-exitcode', lab(after));
  await expectCode(0, 'apply', lab(after));
  await expectCode(0, 'plan', '--detailed-exitcode', lab(after));
  return ifindex('a', name) === index;
}
