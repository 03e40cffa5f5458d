import { setMaxListeners } from 'node:events';

/**
 * A signal that as many wait for as there is work: checks, processes, services. Node takes more than ten listeners of one
 * for a leak and says so on stderr (MaxListenersExceededWarning).
 */
export function forMany(signal: AbortSignal): AbortSignal {
  setMaxListeners(0, signal);
  return signal;
}
