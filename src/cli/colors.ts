import type { Context, Io } from './command.ts';

/** `--color` wins; then NO_COLOR and FORCE_COLOR (no-color.org); then whether the stream is a terminal. */
export function colors(io: Io, when: string): Context['color'] {
  if (when !== 'auto') return { stdout: when === 'always', stderr: when === 'always' };
  if (io.env['NO_COLOR']) return { stdout: false, stderr: false };
  if (io.env['FORCE_COLOR'] && io.env['FORCE_COLOR'] !== '0') return { stdout: true, stderr: true };
  return { stdout: io.stdoutIsTty, stderr: io.stderrIsTty };
}
