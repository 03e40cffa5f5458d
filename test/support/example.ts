import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, onTestFailed, onTestFinished, test } from 'vitest';
import { kernelNeeds } from '../../src/kinds/interface.ts';
import '../../src/kinds/registry.ts';
import { loadText } from '../../src/loader/load.ts';
import { dump, expectCode, namespaces, sh, topoweave } from './host.ts';
import { OVS_MODULE, startOvs } from './ovs.ts';

/**
 * The kinds of links in a file that not every kernel has; the kernel tier runs the files whose kinds its kernel has, the
 * guest tier all others.
 */
export async function neededKinds(file: string): Promise<string[]> {
  const { topology } = await loadText(file, readFileSync(file, 'utf8'));
  const kinds = new Set((topology?.interfaces ?? []).map(({ kind }) => kind));
  const needed = [...kinds].filter((kind): boolean => kernelNeeds.has(kind));
  const hasDatapath = topology?.interfaces.some(
    (item) => item.kind === 'ovs-bridge' && item.datapath === 'system',
  );
  return hasDatapath === true ? [...needed, OVS_MODULE] : needed;
}

/** The promise that every example keeps: it applies, works, plans empty, and leaves the machine as it was. */
export function testExample(file: string): void {
  test(`${basename(file)} applies, checks, plans empty and destroys clean`, async () => {
    const ovs = (await usesOvs(file)) ? startOvs() : undefined;
    // What a failing example leaves must not fail the next ones too.
    onTestFailed(async () => {
      await topoweave('destroy', '--all');
    });
    onTestFinished(() => ovs?.stop());
    const database = ovs?.show();
    const before = dump();
    await expectCode(0, 'validate', file);
    await expectCode(0, 'apply', file);
    await expectCode(0, 'plan', '--detailed-exitcode', file);
    const check = await expectCode(0, 'check', file);
    expect(check.stdout).toMatch(/checks?: \d+ passed/);
    // Duplicate address detection takes about two seconds; bridges have learned addresses from the checks by now.
    sh('sleep', '2.2');
    const second = await expectCode(0, 'plan', '--detailed-exitcode', file);
    expect(second.stdout).toContain('No changes');
    const again = await expectCode(0, 'apply', file);
    expect(again.stdout).toContain('No changes');
    await expectCode(0, 'destroy', file);
    expect(namespaces()).toEqual([]);
    expect(dump()).toBe(before);
    expect(ovs?.show()).toBe(database);
  });
}

async function usesOvs(file: string): Promise<boolean> {
  const { topology } = await loadText(file, readFileSync(file, 'utf8'));
  return topology?.interfaces.some(({ kind }) => kind === 'ovs-bridge') === true;
}
