import type { Command } from '../kinds/resource.ts';
import { deviceOf } from '../kinds/sysctl.ts';
import { compareNames } from '../lib/collections.ts';
import type { Batch, Step } from './step.ts';

/** A half of a step: its removal or its making. */
export interface Node {
  readonly half: 'remove' | 'make';
  readonly step: Step;
  readonly commands: readonly Command[];
  /** The halves that must come before. */
  after: readonly Node[];
  /** The same, for commands of the same program and namespace only: settings that name another object. */
  settingsAfter: readonly Node[];
  /** How far the sort is with it. */
  state: 'new' | 'open' | 'done';
  /** Where its commands ended up. */
  placement: Placement;
}

const none: readonly Node[] = [];

export function makeNode(half: Node['half'], step: Step): Node {
  const commands = half === 'remove' ? step.removal : step.making;
  return { half, step, commands, after: none, settingsAfter: none, state: 'new', placement: nowhere };
}

/**
 * A topological sort with a stable tie-break: nodes stay in the given order where nothing says otherwise. It keeps its
 * own stack, because a chain of steps can be deeper than the stack of calls.
 *
 * @throws Error on a cycle, which is a bug: the loader refuses files that could make one.
 */
export function sortNodes(nodes: readonly Node[]): Node[] {
  const sorted: Node[] = [];
  const path: { readonly node: Node; next: number }[] = [];
  const visit = (node: Node): void => {
    if (node.state === 'done') return;
    if (node.state === 'open') throw cycleError([...path.map((entry) => entry.node), node]);
    node.state = 'open';
    path.push({ node, next: 0 });
  };
  nodes.forEach((start) => {
    visit(start);
    for (let entry = path.at(-1); entry !== undefined; entry = path.at(-1)) {
      const { node, next } = entry;
      const before = node.after[next] ?? node.settingsAfter[next - node.after.length];
      entry.next += 1;
      if (before !== undefined) {
        visit(before);
        continue;
      }
      node.state = 'done';
      sorted.push(node);
      path.pop();
    }
  });
  return sorted;
}

function cycleError(path: readonly Node[]): Error {
  return new Error(
    `cycle of steps: ${path.map(({ half, step }) => `${half} ${step.resource}`).join(' -> ')}`,
  );
}

/** A batch that still grows. */
interface OpenBatch extends Batch {
  readonly commands: { readonly command: Command; readonly step: Step }[];
}

/** What performs commands: a program in a namespace, with its batches by layer. */
interface Target {
  readonly tool: Batch['tool'];
  readonly namespace: string;
  readonly batches: Map<number, OpenBatch>;
}

/** A layer of a target. */
interface Slot {
  readonly target: Target;
  readonly layer: number;
}

/** Where the commands of a node ended up: by target, and the first of them, the one that makes the object. */
interface Placement {
  readonly first: Slot | undefined;
  readonly slots: readonly Slot[];
}

const noSlots: readonly Slot[] = [];
const nowhere: Placement = { first: undefined, slots: noSlots };

/**
 * Puts sorted commands into as few batches as their dependencies allow. A command comes a layer after the command that
 * makes what it depends on, or in the same batch, where the same program in the same namespace performs both; and never
 * before later commands (settings) of what it depends on in its own program and namespace.
 */
export function makeBatches(sorted: readonly Node[]): Batch[] {
  const targets = new Map<string, Target[]>();
  const bounds: Bounds = { stopped: -1, last: -1 };
  const isService = ({ commands }: Node) => commands[0]?.tool === 'service';
  const place = (node: Node) => {
    node.placement = node.commands.length === 0 ? passOn(node.after) : placeNode(node, targets, bounds);
  };
  if (!sorted.some(isService)) sorted.forEach(place);
  else {
    const stops = sorted.filter((node) => isService(node) && node.half === 'remove');
    const starts = sorted.filter((node) => isService(node) && node.half === 'make');
    [...stops, ...sorted.filter((node) => !isService(node)), ...starts].forEach(place);
  }
  return [...targets.values()]
    .flatMap((list) => list.flatMap(({ batches }) => [...batches.values()]))
    .sort(
      (a, b) => a.layer - b.layer || compareNames(a.namespace, b.namespace) || compareNames(a.tool, b.tool),
    );
}

/** Layers: the last one in which services are stopped, and the last one of all other commands. */
interface Bounds {
  stopped: number;
  last: number;
}

function placeNode(node: Node, targets: Map<string, Target[]>, bounds: Bounds): Placement {
  const { step } = node;
  let slots = noSlots;
  let first: Slot | undefined;
  let last: Slot | undefined;
  node.commands.forEach((command) => {
    const target = targetOf(command, targets);
    // Nearly always all commands of a node are for the same program and namespace.
    if (last?.target !== target || slots.length > 1) {
      last = { target, layer: layerFor(target, node, slots, bounds) };
      if (target.tool !== 'service') bounds.last = Math.max(bounds.last, last.layer);
      else if (node.half === 'remove') bounds.stopped = Math.max(bounds.stopped, last.layer);
      slots = withSlot(slots, last);
      first ??= last;
    }
    addCommand(target, last.layer, { command, step });
  });
  return { first, slots };
}

/**
 * The first layer in which a command of a node can be, after those that the node's earlier commands are in. Services are
 * stopped before and started behind everything else.
 */
function layerFor(
  target: Target,
  { half, after, settingsAfter }: Node,
  earlier: readonly Slot[],
  bounds: Bounds,
): number {
  const isService = target.tool === 'service';
  let layer = isService ? (half === 'make' ? bounds.last + 1 : 0) : bounds.stopped + 1;
  after.forEach(({ placement }) => {
    layer = Math.max(layer, layerBehind(placement, target));
  });
  if (settingsAfter.length > 0)
    layer = Math.max(layer, ...settingsAfter.map(({ placement }) => layerIn(placement.slots, target)));
  if (earlier.length > 0) layer = Math.max(layer, ...earlier.map((slot) => layerAfter(slot, target)));
  return layer;
}

function layerBehind({ first, slots }: Placement, target: Target): number {
  const own = layerIn(slots, target);
  return first === undefined ? own : Math.max(own, layerAfter(first, target));
}

/** The layer of commands that come after others: the same one, where the same program performs both. */
function layerAfter(slot: Slot, target: Target): number {
  return slot.target === target ? slot.layer : slot.layer + 1;
}

function layerIn(slots: readonly Slot[], target: Target): number {
  for (let index = 0; index < slots.length; index += 1) {
    const slot = slots[index];
    if (slot?.target === target) return slot.layer;
  }
  return 0;
}

/** The slots, one per target, with another. */
function withSlot(slots: readonly Slot[], added: Slot): readonly Slot[] {
  if (slots.length === 0) return [added];
  const found = slots.find(({ target }) => target === added.target);
  if (found === undefined) return [...slots, added];
  if (found.layer >= added.layer) return slots;
  return slots.map((slot) => (slot === found ? added : slot));
}

/** A node without commands passes on what it waits for. */
function passOn(after: readonly Node[]): Placement {
  let first: Slot | undefined;
  let slots = noSlots;
  after.forEach(({ placement: before }) => {
    before.slots.forEach((slot) => {
      slots = withSlot(slots, slot);
    });
    if (before.first !== undefined && (first === undefined || before.first.layer > first.layer))
      first = before.first;
  });
  return slots.length === 0 ? nowhere : { first, slots };
}

function targetOf(command: Command, targets: Map<string, Target[]>): Target {
  const namespace = command.namespace ?? 'host';
  const tool = toolOf(command);
  const known = targets.get(namespace);
  const found = known?.find((target) => target.tool === tool);
  if (found !== undefined) return found;
  const target = { tool, namespace, batches: new Map() };
  if (known === undefined) targets.set(namespace, [target]);
  else known.push(target);
  return target;
}

function toolOf(command: Command): Batch['tool'] {
  if (command.tool === 'sysctl') return 'ip';
  return command.tool === 'ip' && command.args[0] === '-6' ? 'ip6' : command.tool;
}

function addCommand(
  { tool, namespace, batches }: Target,
  layer: number,
  entry: Batch['commands'][number],
): void {
  const found = batches.get(layer);
  if (found !== undefined) found.commands.push(entry);
  else batches.set(layer, { layer, tool, namespace, commands: [entry] });
}

/** Sysctls of a batch that can only be written when the batch has made their interface. */
export function sysctlComesAfter(batch: Batch, command: Command): boolean {
  if (command.tool !== 'sysctl') return false;
  const device = deviceOf(command.name);
  return device !== undefined && wordsOfNewLinks(batch).has(device);
}

const linkWords = new WeakMap<Batch, ReadonlySet<string>>();

/** The words of the commands of a batch that make or rename links, the names of the links among them. */
function wordsOfNewLinks(batch: Batch): ReadonlySet<string> {
  const known = linkWords.get(batch);
  if (known !== undefined) return known;
  const words = new Set<string>();
  for (const { command } of batch.commands) {
    if (command.tool !== 'ip') continue;
    const [object, verb] = command.args;
    const isNew = verb === 'add' && (object === 'link' || object === 'tuntap');
    const isRenamed = object === 'link' && verb === 'set' && command.args[4] === 'name';
    if (isNew || isRenamed) for (const word of command.args) words.add(word);
  }
  linkWords.set(batch, words);
  return words;
}
