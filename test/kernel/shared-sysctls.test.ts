import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { expectCode, sh, topoweave, workFolder } from '../support/host.ts';

// Labs that want the same of the machine share it; what they want differently is refused, naming the other one.
const folder = workFolder();
afterAll(() => folder.remove());

const NAME = 'net.core.somaxconn';
const labs = ['one', 'two', 'three'] as const;
type Lab = (typeof labs)[number];
const read = (name = NAME) => sh('sysctl', '-n', name).trim();

beforeEach(() => {
  sh('sysctl', '-q', '-w', `${NAME}=777`, 'net.ipv4.ip_forward=0');
  sh('ip', 'link', 'add', 'card9', 'type', 'bridge');
});
afterEach(async () => {
  for (const lab of labs) await topoweave('destroy', lab);
  sh('ip', 'link', 'del', 'card9');
});

function write(lab: Lab, host: string): string {
  return folder.write(`${lab}.yaml`, `name: ${lab}\nnamespaces:\n  host: { ${host} }\n  ns-${lab}: {}\n`);
}
const wants = (lab: Lab, value: number) => write(lab, `sysctls: { ${NAME}: ${value} }`);
const apply = (file: string) => expectCode(0, 'apply', file);

async function expectConflict(file: string, ...texts: string[]): Promise<void> {
  for (const command of ['plan', 'apply']) {
    const { stderr } = await expectCode(1, command, file);
    for (const text of texts) expect(stderr).toContain(text);
  }
}

test('another value of a parameter that a lab has is a conflict, with both values and the place', async () => {
  await apply(wants('one', 999));
  await expectConflict(
    wants('two', 888),
    'net.core.somaxconn of the host is to be 888',
    "the lab 'one' has it at 999",
    'two.yaml:3',
    'topoweave destroy one',
  );
  expect(read()).toBe('999');
  expect(sh('ip', 'netns')).not.toContain('ns-two');
  await expectCode(0, 'destroy', 'one');
  expect(read()).toBe('777');
  await apply(wants('two', 888));
  await expectCode(0, 'destroy', 'two');
  expect(read()).toBe('777');
});

test('forwarding, by its own word and by each name of the parameter, is one thing', async () => {
  await apply(write('one', 'forwarding: true'));
  const off = 'is to be 0';
  await expectConflict(write('two', 'forwarding: false'), off, "the lab 'one' has it at 1");
  await expectConflict(write('two', 'sysctls: { net.ipv4.conf.all.forwarding: 0 }'), off, "the lab 'one'");
  await expectConflict(write('two', 'sysctls: { net.ipv6.conf.all.forwarding: 0 }'), off, "the lab 'one'");
  await apply(write('two', 'sysctls: { net.ipv4.conf.all.forwarding: 1 }'));
  await expectCode(0, 'destroy', 'one');
  expect(read('net.ipv4.ip_forward')).toBe('1');
  expect(read('net.ipv6.conf.all.forwarding')).toBe('0');
  await expectCode(0, 'destroy', 'two');
  expect(read('net.ipv4.ip_forward')).toBe('0');
});

test('parameters of one interface of the host are shared in the same way', async () => {
  const sysctl = 'net.ipv4.conf.card9.rp_filter';
  const old = read(sysctl);
  await apply(write('one', `sysctls: { ${sysctl}: 2 }`));
  await expectConflict(write('two', `sysctls: { ${sysctl}: 1 }`), "the lab 'one' has it at 2");
  await expectConflict(
    write('two', 'interfaces: { card9: { adopt: true, sysctls: { rp_filter: 1 } } }'),
    "the lab 'one' has it at 2",
  );
  await apply(write('two', `sysctls: { ${sysctl}: 2 }`));
  await expectCode(0, 'destroy', 'one');
  expect(read(sysctl)).toBe('2');
  await expectCode(0, 'destroy', 'two');
  expect(read(sysctl)).toBe(old);
});

const orders = [
  ['one', 'two', 'three'],
  ['three', 'two', 'one'],
  ['two', 'one', 'three'],
  ['two', 'three', 'one'],
] as const;

test.each(orders)('what was there comes back with the last of %s, %s, %s', async (...order) => {
  for (const lab of labs) await apply(wants(lab, 999));
  for (const [index, lab] of order.entries()) {
    expect(read()).toBe('999');
    // Each is destroyed, or drops it, by turns.
    if (index % 2 === 0) await expectCode(0, 'destroy', lab);
    else await apply(write(lab, ''));
  }
  expect(read()).toBe('777');
  for (const lab of labs) await expectCode(0, 'destroy', lab);
  expect(read()).toBe('777');
});

test('a lab changes its own value only while no other one has it', async () => {
  await apply(wants('one', 999));
  await apply(wants('two', 999));
  await expectConflict(wants('one', 888), 'is to be 888', "the lab 'two' has it at 999");
  await expectCode(0, 'destroy', 'two');
  await apply(wants('one', 888));
  await apply(wants('three', 888));
  await expectCode(0, 'destroy', 'one');
  expect(read()).toBe('888');
  await apply(wants('three', 111));
  await expectCode(0, 'destroy', 'three');
  expect(read()).toBe('777');
});

test('a hand that changed it in between does not become what was there before', async () => {
  for (const first of ['one', 'two'] as const) {
    // Once it was so already, once the first lab changed it.
    for (const value of [777, 999]) {
      await apply(wants('one', value));
      sh('sysctl', '-q', '-w', `${NAME}=5`);
      await apply(wants('two', value));
      sh('sysctl', '-q', '-w', `${NAME}=6`);
      await expectCode(0, 'destroy', first);
      const last = first === 'one' ? 'two' : 'one';
      await apply(wants(last, value));
      await expectCode(0, 'destroy', last);
      expect(read()).toBe('777');
    }
  }
});
