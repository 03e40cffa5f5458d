import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Milliseconds without a report, after which a child is given up. */
const PATIENCE = 600_000;

interface Message<T> {
  readonly report?: T;
  readonly done?: number;
  readonly broken?: string;
}

/** Runs a child that reports by lines of JSON; gives how many reports there were, and why there are no more. */
export async function collect<T>(
  argv: readonly string[],
  { signal, onReport }: { readonly signal: AbortSignal; readonly onReport: (report: T) => void },
): Promise<{ readonly reports: number; readonly broken: string | undefined }> {
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = () => child.kill('SIGKILL');
  signal.addEventListener('abort', end);
  let late = setTimeout(end, PATIENCE);
  let reports = 0;
  let broken: string | undefined = 'it ended without a word';
  for await (const line of createInterface({ input: child.stdout })) {
    clearTimeout(late);
    late = setTimeout(end, PATIENCE);
    if (!line.startsWith('{')) continue;
    const message = JSON.parse(line) as Message<T>;
    if (message.done !== undefined) broken = undefined;
    if (message.broken !== undefined) broken = message.broken;
    if (message.report === undefined) continue;
    reports += 1;
    onReport(message.report);
  }
  clearTimeout(late);
  signal.removeEventListener('abort', end);
  return { reports, broken };
}
