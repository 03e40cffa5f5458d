import type { ExecutionEvent } from '../apply/execute.ts';
import type { Context } from '../cli/command.ts';
import { groupBy } from '../lib/collections.ts';
import type { Batch, Plan } from '../plan/step.ts';

export interface Progress {
  readonly onPlan: (plan: Plan) => void;
  readonly onEvent: (event: ExecutionEvent) => void;
  /** Waits until the last line is drawn. */
  readonly end: (error?: unknown) => Promise<void>;
}

/** Progress on stderr: listr2 on a terminal, plain lines otherwise, nothing when the output is JSON. */
export function showProgress(context: Context, isSilent: boolean): Progress {
  if (isSilent) return { onPlan: () => {}, onEvent: () => {}, end: async () => {} };
  return context.io.stderrIsTty && !context.io.env['CI'] ? taskList(context) : plainLines(context);
}

function plainLines({ io }: Context): Progress {
  return {
    onPlan: ({ steps, batches }) =>
      io.stderr(
        `${steps.length} ${plural(steps.length, 'step')} in ${batches.length} ${plural(batches.length, 'batch', 'batches')}\n`,
      ),
    onEvent: (event) => {
      if (event.type === 'layer-start') io.stderr(`  ${layerTitle(event.batches)}\n`);
    },
    end: async () => {},
  };
}

interface Waiting {
  readonly promise: Promise<void>;
  readonly done: (error?: unknown) => void;
}

/** One task per layer, which ends when the executor says so; the list only shows, it never works itself. */
function taskList({ color, io }: Context): Progress {
  const layers = new Map<number, Waiting>();
  const layer = (index: number): Waiting => {
    const found = layers.get(index) ?? waiting();
    layers.set(index, found);
    return found;
  };
  let shown: Promise<unknown> = Promise.resolve();
  return {
    onPlan: ({ batches }) => {
      layers.clear();
      const byLayer = groupBy(batches, (batch) => batch.layer);
      // Batches come in the order of their layers.
      const count = (batches.at(-1)?.layer ?? -1) + 1;
      const titles = Array.from({ length: count }, (_, index) => layerTitle(byLayer.get(index) ?? []));
      const waits = titles.map((_, index) => layer(index).promise);
      shown = shown.then(async () => {
        const { Listr, ListrLogger, ProcessOutput } = await import('listr2');
        const screen = screenOf(io);
        const tasks = titles.map((title, index) => ({ title, task: () => waits[index] }));
        const list = new Listr(tasks, {
          concurrent: false,
          renderer: 'default',
          registerSignalListeners: false,
          exitOnError: true,
          forceTTY: true,
          rendererOptions: {
            collapseErrors: false,
            showErrorMessage: false,
            logger: new ListrLogger({ useIcons: true, processOutput: new ProcessOutput(screen, screen) }),
          },
          ...(color.stderr ? {} : { forceUnicode: false }),
        });
        await list.run().catch(() => {});
      });
    },
    onEvent: (event) => {
      if (event.type === 'layer-done') layer(event.layer).done();
    },
    end: async (error) => {
      for (const wait of layers.values()) wait.done(error);
      await shown;
    },
  };
}

/** Left to itself, the list would write to stdout, and a terminal that is closed meanwhile would end the run. */
function screenOf({ stderr, columns }: Context['io']): NodeJS.WriteStream {
  const write = (text: string): boolean => {
    stderr(text);
    return true;
  };
  return Object.create(process.stderr, {
    write: { value: write, writable: true, enumerable: true },
    columns: { get: () => process.stderr.columns ?? columns, enumerable: true },
    rows: { get: () => process.stderr.rows, enumerable: true },
  }) as NodeJS.WriteStream;
}

function waiting(): Waiting {
  let done: (error?: unknown) => void = () => {};
  const promise = new Promise<void>((resolve, reject) => {
    done = (error) => (error === undefined ? resolve() : reject(error));
  });
  // The list may never be drawn: a rejection that nobody awaits is no bug here.
  promise.catch(() => {});
  return { promise, done };
}

function layerTitle(batches: readonly Batch[]): string {
  const steps = batches.reduce(
    (sum, { commands }) => sum + new Set(commands.map(({ step }) => step)).size,
    0,
  );
  const namespaces = [...new Set(batches.map(({ namespace }) => namespace))];
  const where = namespaces.length > 4 ? `${namespaces.length} namespaces` : namespaces.join(', ');
  return `${steps} ${plural(steps, 'step')} in ${where}`;
}

function plural(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}
