import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { dump, expectCode, sh, topoweave, workFolder } from '../support/host.ts';
import { type Ending, runUntil } from '../support/stopping.ts';

// What a lab changed of the host comes back wherever a run ended: earlier values are forgotten only when they are back.
const folder = workFolder();
afterAll(() => folder.remove());

const SOMAXCONN = 'net.core.somaxconn';
const read = (name: string) => sh('sysctl', '-n', name).trim();
let before = '';

beforeEach(() => {
  sh('sysctl', '-q', '-w', `${SOMAXCONN}=777`, 'net.ipv4.ip_forward=0', 'net.ipv4.conf.lo.rp_filter=0');
  before = values();
});
afterEach(async () => {
  await topoweave('destroy', 'stop');
});

function values(): string {
  const names = [SOMAXCONN, 'net.ipv4.tcp_fin_timeout', 'net.ipv4.conf.lo.rp_filter'];
  return `${dump()}\n${names.map(read).join(' ')}`;
}

const lab = (sysctls: string, more = '') =>
  folder.write(
    'stop.yaml',
    `name: stop
namespaces:
  host: { forwarding: true, sysctls: { ${sysctls} } }
  a: { sysctls: { ${SOMAXCONN}: 512 } }
${more}links:
  - endpoints: { host:stop0: 10.250.0.1/30, a:eth0: 10.250.0.2/30 }
`,
  );
const all = `${SOMAXCONN}: 999, net.ipv4.tcp_fin_timeout: 33, net.ipv4.conf.lo.rp_filter: 2`;
const endings: readonly Ending[] = ['interrupted', 'killed'];

test.each(endings)('a destroy that is %s at any command is ended by the next one', async (ending) => {
  for (let count = 0, isEarly = true; isEarly; count += 1) {
    await expectCode(0, 'apply', lab(all));
    expect(read(SOMAXCONN)).toBe('999');
    isEarly = await runUntil(count, ending, { lab: 'stop' });
    await expectCode(0, 'destroy', 'stop');
    expect(values()).toBe(before);
  }
});

test.each(endings)('an apply that is %s at any command is undone by destroy', async (ending) => {
  for (let count = 0, isEarly = true; isEarly; count += 1) {
    isEarly = await runUntil(count, ending, { lab: 'stop', file: lab(all) });
    await expectCode(0, 'destroy', 'stop');
    expect(values()).toBe(before);
  }
});

test.each(endings)('parameters that leave the file by an apply that is %s come back', async (ending) => {
  for (let count = 0, isEarly = true; isEarly; count += 1) {
    await expectCode(0, 'apply', lab(all));
    isEarly = await runUntil(count, ending, { lab: 'stop', file: lab('net.ipv4.tcp_fin_timeout: 44') });
    const file = lab('net.ipv4.tcp_fin_timeout: 44');
    await expectCode(0, 'apply', file);
    expect(read(SOMAXCONN)).toBe('777');
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    await expectCode(0, 'destroy', 'stop');
    expect(values()).toBe(before);
  }
});

test.each(endings)('a lab that is applied again behind a destroy that was %s goes on', async (ending) => {
  for (let count = 0, isEarly = true; isEarly; count += 1) {
    await expectCode(0, 'apply', lab(all));
    isEarly = await runUntil(count, ending, { lab: 'stop' });
    await expectCode(0, 'apply', lab(all));
    await expectCode(0, 'plan', '--detailed-exitcode', lab(all));
    await expectCode(0, 'destroy', 'stop');
    expect(values()).toBe(before);
  }
});

test('a destroy that failed half way still knows what is left', async () => {
  await expectCode(0, 'apply', lab(all));
  // What cannot be written fails; the others of its batch are performed or not.
  const path = '/proc/sys/net/core/somaxconn';
  sh('mount', '--bind', path, path);
  sh('mount', '-o', 'remount,bind,ro', path);
  try {
    expect((await topoweave('destroy', 'stop')).code).not.toBe(0);
  } finally {
    sh('umount', path);
  }
  await expectCode(0, 'destroy', 'stop');
  expect(values()).toBe(before);
});

test('what a namespace had does not become the earlier value of a new one of its name', async () => {
  const without = folder.write('none.yaml', 'name: stop\nnamespaces: { a: {} }\n');
  await expectCode(0, 'apply', lab(all));
  sh('ip', 'netns', 'del', 'a');
  await expectCode(0, 'apply', lab(all));
  await expectCode(0, 'apply', without);
  const fresh = sh('unshare', '--net', 'sysctl', '-n', SOMAXCONN).trim();
  expect(sh('ip', 'netns', 'exec', 'a', 'sysctl', '-n', SOMAXCONN).trim()).toBe(fresh);
});
