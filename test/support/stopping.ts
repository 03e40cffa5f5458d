import { setTimeout } from 'node:timers/promises';
import { type ReconcileResult, reconcile, type Target } from '../../src/apply/reconcile.ts';
import { chooseEngine } from '../../src/engine/choose.ts';
import type { BatchResult, Engine } from '../../src/engine/engine.ts';
import { topologyOf } from './fixture.ts';
import { engineName } from './host.ts';

/** How a run ends early: by a signal, as Ctrl-C does, or so that nothing of it comes after the last command. */
export type Ending = 'interrupted' | 'killed';

class Killed extends Error {}

/**
 * Performs a plan as far as its first commands, in one process and always at the same place. Gives whether it ended early:
 * a run that has no more commands than that ends by itself.
 */
export async function runUntil(
  count: number,
  ending: Ending,
  { lab, file }: { readonly lab: string; readonly file?: string },
): Promise<boolean> {
  const controller = new AbortController();
  const { engine } = chooseEngine(engineName);
  const target: Target = { lab, topology: file === undefined ? undefined : await topologyOf(file) };
  const stopping = stopAfter(engine, count, () => {
    if (ending === 'killed') throw new Killed();
    controller.abort();
  });
  try {
    const result: ReconcileResult = await reconcile(stopping, target, { signal: controller.signal });
    return result.interrupted;
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return true;
  } finally {
    await setTimeout(0);
  }
}

function stopAfter(engine: Engine, count: number, stop: () => void): Engine {
  let left = count;
  return {
    ...engine,
    perform: async (batches, { onDone }) => {
      const results: BatchResult[] = [];
      for (const [index, batch] of batches.entries()) {
        const commands = batch.commands.slice(0, left);
        if (commands.length === 0) {
          stop();
          results.push({ outcome: 'left-out' });
          continue;
        }
        left -= commands.length;
        const [result = { outcome: 'left-out' }] = await engine.perform([{ ...batch, commands }], {
          onDone: (_, isDone) => onDone(index, isDone),
        });
        const isCut = commands.length < batch.commands.length;
        results.push(isCut && result.outcome === 'done' ? { ...result, outcome: 'left-out' } : result);
        if (isCut) stop();
      }
      return results;
    },
  };
}
