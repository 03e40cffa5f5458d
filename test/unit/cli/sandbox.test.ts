import { expect, test } from 'vitest';
import {
  effectiveCapabilities,
  isPrivileged,
  type Privileges,
  switchesOff,
} from '../../../src/system/privileges.ts';
import type { Run } from '../../../src/system/run.ts';
import { requireSandbox, sandboxArgv } from '../../../src/system/sandbox.ts';

const user: Privileges = { uid: 1000, netAdmin: false, sysAdmin: false, userNamespacesOff: [] };
const failing: Run = async () => ({
  code: 1,
  stdout: '',
  stderr: 'unshare: unshare failed: Operation not permitted\n',
});

test('the command is passed as arguments, never as shell text', () => {
  const command = ['sh', '-c', 'echo "$1"; exit 3', 'x', '; rm -rf /'];
  expect(sandboxArgv(command, { root: true }).slice(-command.length)).toEqual(command);
  const scripts = [command, ['true']].map((words) =>
    sandboxArgv(words, { root: true }).at(-words.length - 2),
  );
  expect(scripts[0]).toBe(scripts[1]);
});

test('a user namespace is made only where there is no root', () => {
  expect(sandboxArgv(['true'], { root: true })).not.toContain('--user');
  expect(sandboxArgv(['true'], { root: false })).toContain('--user');
});

test('names the sysctl that forbids user namespaces, and how to switch it on', async () => {
  const privileges = { ...user, userNamespacesOff: ['kernel.apparmor_restrict_unprivileged_userns=1'] };
  await expect(requireSandbox(privileges, { run: failing, root: false })).rejects.toMatchObject({
    exitCode: 69,
    message: 'unprivileged user namespaces are switched off: kernel.apparmor_restrict_unprivileged_userns=1',
    hint: 'run it as root, or allow them with: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  });
});

test('otherwise says what unshare said', async () => {
  await expect(requireSandbox(user, { run: failing, root: false })).rejects.toMatchObject({
    exitCode: 69,
    message: expect.stringContaining('Operation not permitted'),
    hint: expect.stringContaining('user.max_user_namespaces'),
  });
});

test('knows the switches by their values', () => {
  const read = (values: Record<string, string>) => (name: string) => values[name];
  expect(switchesOff(read({ 'user.max_user_namespaces': '96365' }))).toEqual([]);
  expect(
    switchesOff(read({ 'user.max_user_namespaces': '0', 'kernel.unprivileged_userns_clone': '0' })),
  ).toEqual(['user.max_user_namespaces=0', 'kernel.unprivileged_userns_clone=0']);
});

test('reads the effective capabilities; root without them is not privileged', () => {
  expect(effectiveCapabilities('CapPrm:\t0000000000000000\nCapEff:\t0000000000201000\n')).toBe(0x201000n);
  expect(isPrivileged({ ...user, uid: 0 })).toBe(false);
  expect(isPrivileged({ ...user, uid: 0, netAdmin: true, sysAdmin: true })).toBe(true);
});
