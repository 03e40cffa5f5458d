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
  const sorted: Node[] = [];
  const done = new Set<Node>();
  // Only those that something waits for; a chain of them must not be as deep as the call stack.
  const open = new Set<Node>();
  for (const root of nodes) {
    const stack = [root];
    for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
      if (done.has(node)) {
        stack.pop();
        continue;
      }
      open.add(node);
      const size = stack.length;
      // The last one is visited first.
      pushWaiting(node.settingsAfter, byKey, done, stack);
      pushWaiting(node.after, byKey, done, stack);
      if (stack.length > size) {
        const cycle = stack.slice(size).find((before) => open.has(before));
        if (cycle !== undefined)
          throw new Error(`cycle of steps: ${node.key} waits for ${cycle.key}, which waits for it`);
        continue;
      }
      stack.pop();
      open.delete(node);
      done.add(node);
      sorted.push(node);
    }
  }
  return sorted;
}

function pushWaiting(
  keys: readonly string[],
  byKey: ReadonlyMap<string, Node>,
  done: ReadonlySet<Node>,
  stack: Node[],
): void {
  for (let index = keys.length - 1; index >= 0; index -= 1) {
    const before = byKey.get(keys[index] ?? '');
    if (before !== undefined && !done.has(before)) stack.push(before);
  }
}

/** One program in one namespace. */
interface Target {
  readonly tool: Batch['tool'];
  readonly namespace: string;
  /** By layer. */
  readonly entries: { command: Command; step: Step }[][];
}

/** Where the commands of a node ended up: by target, and the first of them, the one that makes the object. */
interface Placement {
  readonly first: { readonly target: Target; readonly layer: number } | undefined;
  readonly layers: ReadonlyMap<Target, number>;
}

/**
 * Puts sorted commands into as few batches as their dependencies allow. A command comes a layer after the command that
 * makes what it depends on, or in the same batch, where the same program in the same namespace performs both; and never
 * before later commands (settings) of what it depends on in its own program and namespace.
 */
export function makeBatches(sorted: readonly Node[]): Batch[] {
  const placements = new Map<string, Placement>();
  const targets = new Map<string, Target>();
  const batches: Batch[] = [];
  for (const node of sorted) {
    const befores = placementsOf(node.after, placements);
    const settings = placementsOf(node.settingsAfter, placements);
    if (node.commands.length === 0) {
      placements.set(node.key, passOn(befores));
      continue;
    }
    const layers = new Map<Target, number>();
    let first: Placement['first'];
    for (const command of node.commands) {
      const target = targetOf(command, targets);
      let layer = 0;
      for (const before of befores) layer = Math.max(layer, layerBehind(before, target));
      for (const before of settings) layer = Math.max(layer, before.layers.get(target) ?? 0);
      for (const [other, at] of layers) layer = Math.max(layer, other === target ? at : at + 1);
      layers.set(target, layer);
      first ??= { target, layer };
      addToBatch(target, layer, { command, step: node.step }, batches);
    }
    placements.set(node.key, { first, layers });
  }
  return batches.sort(
    (a, b) => a.layer - b.layer || compareNames(a.namespace, b.namespace) || compareNames(a.tool, b.tool),
  );
}

function placementsOf(keys: readonly string[], placements: ReadonlyMap<string, Placement>): Placement[] {
  const found: Placement[] = [];
  for (const key of keys) {
    const placement = placements.get(key);
    if (placement !== undefined) found.push(placement);
  }
  return found;
}

function addToBatch(
  target: Target,
  layer: number,
  entry: { command: Command; step: Step },
  batches: Batch[],
): void {
  const entries = target.entries[layer];
  if (entries !== undefined) {
    entries.push(entry);
    return;
  }
  const commands = [entry];
  const batch = { layer, tool: target.tool, namespace: target.namespace, commands };
  target.entries[layer] = commands;
  batches.push(batch);
}

function layerBehind({ first, layers }: Placement, target: Target): number {
  const own = layers.get(target) ?? 0;
  if (first === undefined) return own;
  return Math.max(own, first.target === target ? first.layer : first.layer + 1);
}

/** A node without commands passes on what it waits for. */
function passOn(befores: readonly Placement[]): Placement {
  const layers = new Map<Target, number>();
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

function targetOf(command: Command, targets: Map<string, Target>): Target {
  const namespace = command.namespace ?? 'host';
  const tool = command.tool === 'sysctl' ? 'ip' : command.tool;
  const key = `${tool} ${namespace}`;
  const known = targets.get(key);
  if (known !== undefined) return known;
  const target = { tool, namespace, entries: [] };
  targets.set(key, target);
  return target;
}
