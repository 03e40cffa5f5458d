import type { Command } from '../kinds/resource.ts';
import { deviceOf } from '../kinds/sysctl.ts';
import { compareNames } from '../lib/collections.ts';
import type { Batch, Step } from './step.ts';

/** A half of a step: its removal or its making, with the halves that must come before. */
export interface Node {
  readonly key: string;
  readonly step: Step;
  readonly commands: readonly Command[];
  /** Keys of nodes; those that are not there are ignored. */
  readonly after: readonly string[];
  /** The same, for commands of the same program and namespace only: settings that name another object. */
  readonly settingsAfter: readonly string[];
}

/**
 * A topological sort with a stable tie-break: nodes stay in the given order where nothing says otherwise.
 *
 * @throws Error on a cycle, which is a bug: the loader refuses files that could make one.
 */
export function sortNodes(nodes: readonly Node[]): Node[] {
  const byKey = new Map(nodes.map((node) => [node.key, node]));
  const state = new Map<string, 'open' | 'done'>();
  const sorted: Node[] = [];
  const visit = (node: Node, path: readonly string[]): void => {
    if (state.get(node.key) === 'done') return;
    if (state.get(node.key) === 'open')
      throw new Error(`cycle of steps: ${[...path, node.key].join(' -> ')}`);
    state.set(node.key, 'open');
    for (const key of [...node.after, ...node.settingsAfter]) {
      const before = byKey.get(key);
      if (before !== undefined) visit(before, [...path, node.key]);
    }
    state.set(node.key, 'done');
    sorted.push(node);
  };
  for (const node of nodes) visit(node, []);
  return sorted;
}

/** Where the commands of a node ended up: by target, and the first of them, the one that makes the object. */
interface Placement {
  readonly first: { readonly target: string; readonly layer: number } | undefined;
  readonly layers: ReadonlyMap<string, number>;
}

/**
 * Puts sorted commands into as few batches as their dependencies allow. A command comes a layer after the command that
 * makes what it depends on, or in the same batch, where the same program in the same namespace performs both; and never
 * before later commands (settings) of what it depends on in its own program and namespace.
 */
export function makeBatches(sorted: readonly Node[]): Batch[] {
  const placements = new Map<string, Placement>();
  const batches = new Map<string, { batch: Batch; entries: { command: Command; step: Step }[] }>();
  for (const node of sorted) {
    const befores = node.after.flatMap((key) => placements.get(key) ?? []);
    const settings = node.settingsAfter.flatMap((key) => placements.get(key) ?? []);
    const layers = new Map<string, number>();
    let first: Placement['first'];
    for (const command of node.commands) {
      const target = targetOf(command);
      let layer = Math.max(
        0,
        ...befores.map((before) => layerBehind(before, target.key)),
        ...settings.map((before) => before.layers.get(target.key) ?? 0),
      );
      for (const [other, at] of layers) layer = Math.max(layer, other === target.key ? at : at + 1);
      layers.set(target.key, layer);
      first ??= { target: target.key, layer };
      const key = `${layer} ${target.key}`;
      const found = batches.get(key);
      if (found !== undefined) {
        found.entries.push({ command, step: node.step });
      } else {
        const entries = [{ command, step: node.step }];
        const batch = { layer, tool: target.tool, namespace: target.namespace, commands: entries };
        batches.set(key, { batch, entries });
      }
    }
    placements.set(node.key, node.commands.length === 0 ? passOn(befores) : { first, layers });
  }
  return [...batches.values()]
    .map(({ batch }) => batch)
    .sort(
      (a, b) => a.layer - b.layer || compareNames(a.namespace, b.namespace) || compareNames(a.tool, b.tool),
    );
}

function layerBehind({ first, layers }: Placement, target: string): number {
  const own = layers.get(target) ?? 0;
  if (first === undefined) return own;
  return Math.max(own, first.target === target ? first.layer : first.layer + 1);
}

/** A node without commands passes on what it waits for. */
function passOn(befores: readonly Placement[]): Placement {
  const layers = new Map<string, number>();
  let first: Placement['first'];
  for (const before of befores) {
    for (const [target, layer] of before.layers) layers.set(target, Math.max(layer, layers.get(target) ?? 0));
    if (before.first !== undefined && (first === undefined || before.first.layer > first.layer))
      first = before.first;
  }
  return { first, layers };
}

/** Sysctls of a batch that can only be written when the batch has made their interface. */
export function sysctlComesAfter(batch: Batch, command: Command): boolean {
  if (command.tool !== 'sysctl') return false;
  const device = deviceOf(command.name);
  return (
    device !== undefined &&
    batch.commands.some(
      ({ command: other }) =>
        other.tool === 'ip' &&
        other.args[1] === 'add' &&
        other.args[0] === 'link' &&
        other.args.includes(device),
    )
  );
}

function targetOf(command: Command): { key: string; tool: Batch['tool']; namespace: string } {
  const namespace = command.namespace ?? 'host';
  const tool = command.tool === 'sysctl' ? 'ip' : command.tool;
  return { key: `${tool} ${namespace}`, tool, namespace };
}
