import { addNamespace } from './namespace.ts';
import { workTogether } from './second-thread.ts';
import type { Failure } from './thread-work.ts';

/** Below, starting a thread costs more than it saves. */
export const FEWEST_NAMESPACES = 200;
/** Namespaces that the second thread gets at once: some milliseconds of work. */
const PIECE = 16;

/**
 * Makes namespaces with two threads, which takes three fifths of the time of one: what the kernel does for a new
 * namespace needs its common locks only now and then (copy_net_ns in net/core/net_namespace.c).
 *
 * @param pause called between two namespaces; whether to go on.
 * @returns the first failure, by index; what comes behind it may have been made or not.
 */
export async function addNamespaces(
  names: readonly string[],
  pause: () => Promise<boolean>,
): Promise<{ readonly failure: Failure | undefined; readonly isStopped: boolean }> {
  const failures: Failure[] = [];
  let isStopped = false;
  await workTogether({
    items: names,
    piece: PIECE,
    kind: 'addNamespaces',
    question: (from, to) => names.slice(from, to),
    onAnswer: (from, failure) => {
      if (failure !== undefined) failures.push({ ...failure, index: from + failure.index });
    },
    own: async (name, index) => {
      const failure = addUntilFailure([name]);
      if (failure !== undefined) failures.push({ ...failure, index });
      isStopped = !(await pause());
      return failures.length === 0 && !isStopped;
    },
  });
  return { failure: failures.sort((a, b) => a.index - b.index)[0], isStopped };
}

/** Makes them one after the other; returns the first failure, behind which none is made. */
export function addUntilFailure(names: readonly string[]): Failure | undefined {
  for (const [index, name] of names.entries()) {
    try {
      addNamespace(name);
    } catch (error) {
      return { index, message: (error as Error).message };
    }
  }
  return undefined;
}
