import type { BatchResult, Engine, StepFailure } from '../engine/engine.ts';
import type { Batch } from '../plan/step.ts';

export interface ExecutionResult {
  readonly failures: readonly StepFailure[];
  readonly interrupted: boolean;
  /** Values of sysctls right before they were written: namespace → name → value. */
  readonly sysctlsBefore: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Why the engine gave up: it could not even begin, say. What was done before is still to be written down. */
  readonly error?: unknown;
}

export type ExecutionEvent =
  | {
      readonly type: 'layer-start';
      readonly layer: number;
      readonly layers: number;
      readonly batches: readonly Batch[];
    }
  | { readonly type: 'batch-done'; readonly layer: number; readonly batch: Batch; readonly ok: boolean }
  | { readonly type: 'layer-done'; readonly layer: number };

export interface ExecuteOptions {
  readonly onEvent?: (event: ExecutionEvent) => void;
  readonly signal?: AbortSignal;
}

/**
 * Performs batches layer by layer. Stops after the first layer in which one failed, or after what is under way when
 * interrupted: what is done is done, and the next apply goes on from there.
 */
export async function execute(
  engine: Engine,
  batches: readonly Batch[],
  options: ExecuteOptions = {},
): Promise<ExecutionResult> {
  const { onEvent = () => {}, signal } = options;
  const byLayer = layersOf(batches);
  const sysctlsBefore = new Map<string, Map<string, string>>();
  for (const [layer, now] of byLayer.entries()) {
    if (signal?.aborted) break;
    onEvent({ type: 'layer-start', layer, layers: byLayer.length, batches: now });
    let results: readonly BatchResult[];
    try {
      results = await engine.perform(now, {
        signal,
        onDone: (index, ok) => {
          const batch = now[index];
          if (batch !== undefined) onEvent({ type: 'batch-done', layer, batch, ok });
        },
      });
    } catch (error) {
      return { failures: [], interrupted: false, sysctlsBefore, error };
    }
    onEvent({ type: 'layer-done', layer });
    const failures: StepFailure[] = [];
    for (const [index, { failure, sysctlsBefore: before }] of results.entries()) {
      if (failure !== undefined) failures.push(failure);
      if (before !== undefined) remember(sysctlsBefore, now[index]?.namespace ?? '', before);
    }
    if (failures.length > 0) return { failures, interrupted: false, sysctlsBefore };
  }
  return { failures: [], interrupted: signal?.aborted === true, sysctlsBefore };
}

function layersOf(batches: readonly Batch[]): Batch[][] {
  const layers: Batch[][] = [];
  for (const batch of batches) {
    layers[batch.layer] ??= [];
    layers[batch.layer]?.push(batch);
  }
  return Array.from(layers, (layer) => layer ?? []);
}

function remember(
  all: Map<string, Map<string, string>>,
  namespace: string,
  values: ReadonlyMap<string, string>,
): void {
  if (values.size > 0) all.set(namespace, new Map([...(all.get(namespace) ?? []), ...values]));
}
