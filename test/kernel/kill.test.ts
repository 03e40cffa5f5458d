import { spawn } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { reconcile } from '../../src/apply/reconcile.ts';
import { chooseEngine } from '../../src/engine/choose.ts';
import { topologyOf } from '../support/fixture.ts';
import { dump, engineName, expectCode, lockIsFree, namespaces, workFolder } from '../support/host.ts';

// A run may be killed at any point: the next apply converges, destroy cleans up. The built program is used, because the
// test's own process cannot be killed.
const folder = workFolder();
afterAll(() => folder.remove());

const file = folder.write(
  'kill.yaml',
  `name: kill
namespaces:
  host: { forwarding: true }
  a: { forwarding: true, nat: { masquerade: [{ out: eth1 }] }, sysctls: { net.ipv4.conf.all.rp_filter: 2 }, routes: { default: 10.2.0.2 } }
  b: { routes: { default: 10.1.0.1 } }
  c: { routes: { default: 10.2.0.1 } }
bridges:
  br-kill: { addresses: 10.3.0.1/24, ports: { b:eth1: 10.3.0.2/24, c:eth1: 10.3.0.3/24 } }
links:
  - endpoints: { a:eth0: 10.1.0.1/24, b:eth0: 10.1.0.2/24 }
  - endpoints: { a:eth1: 10.2.0.1/24, c:eth0: 10.2.0.2/24 }
`,
);

/** Starts the program and kills its whole process group, as a machine that loses power would, after some milliseconds. */
async function killedAfter(milliseconds: number, ...argv: string[]): Promise<void> {
  const child = spawn(process.execPath, ['dist/topoweave.js', ...argv], {
    stdio: 'ignore',
    env: { ...process.env, TOPOWEAVE_ENGINE: engineName },
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  await Promise.race([ended, setTimeout(milliseconds)]);
  child.kill('SIGKILL');
  await ended;
  // Batches run in process groups of their own and end what they began, and have the lock as long.
  await expect.poll(lockIsFree, { timeout: 30_000 }).toBe(true);
}

test('apply converges and destroy cleans up, wherever either was killed', async () => {
  const before = dump();
  for (let milliseconds = 40; milliseconds <= 340; milliseconds += 15) {
    await killedAfter(milliseconds, 'apply', file);
    if (milliseconds % 2 === 0) {
      await expectCode(0, 'apply', file);
      await expectCode(0, 'plan', '--detailed-exitcode', file);
      await killedAfter(milliseconds, 'destroy', file);
    }
    await expectCode(0, 'destroy', 'kill');
    expect(dump()).toBe(before);
  }
});

test('whoever comes after a killed run waits until its programs have ended what they had begun', async () => {
  const names = Array.from({ length: 400 }, (_, index) => `many${index}`);
  const many = folder.write('many.yaml', `name: many\nnamespaces: [${names.join(', ')}]\n`);
  const child = spawn(process.execPath, ['dist/topoweave.js', 'apply', '--engine', 'ip', many], {
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  await expect.poll(() => namespaces().length, { timeout: 30_000, interval: 5 }).toBeGreaterThan(0);
  child.kill('SIGKILL');
  await ended;
  const { stderr } = await expectCode(1, 'destroy', 'many');
  expect(stderr).toContain('another topoweave is changing this machine');
  await expect.poll(lockIsFree, { timeout: 30_000 }).toBe(true);
  // All of one batch: what was begun is done, nothing comes later.
  expect(namespaces()).toHaveLength(names.length);
  await expectCode(0, 'destroy', 'many');
  expect(namespaces()).toEqual([]);
});

test('an interrupted apply stops between batches, and the next one goes on', async () => {
  const before = dump();
  const { engine } = chooseEngine(engineName);
  for (const stopAt of [0, 1]) {
    const controller = new AbortController();
    const { interrupted } = await reconcile(
      engine,
      { lab: 'kill', topology: await topologyOf(file) },
      {
        signal: controller.signal,
        onEvent: (event) => {
          if (event.type === 'batch-done' && event.layer === stopAt) controller.abort();
        },
      },
    );
    expect(interrupted).toBe(true);
    // Stopped in the last layer, the batches under way may have been all there was to do.
    if (stopAt === 0) await expectCode(2, 'plan', '--detailed-exitcode', file);
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    await expectCode(0, 'destroy', 'kill');
    expect(dump()).toBe(before);
  }
});
