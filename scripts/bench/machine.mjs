// What the figures depend on.
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, release } from 'node:os';
import { mininetVersion } from './candidates.mjs';

export function describeMachine() {
  const version = execFileSync('ip', ['-V'], { encoding: 'utf8' });
  return {
    CPU: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} cores`,
    Kernel: release(),
    Node: process.version,
    iproute2: /iproute2-([^\s,]+)/.exec(version)?.[1] ?? version.trim(),
    Mininet: mininetVersion() ?? 'not installed',
  };
}
