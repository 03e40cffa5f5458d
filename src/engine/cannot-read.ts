import { TopoweaveError } from '../lib/errors.ts';

/** A namespace that is there and cannot be read. */
export function cannotRead(namespace: string, message: string, cause?: unknown): TopoweaveError {
  const isRefused = /not permitted|permission denied|EPERM|EACCES/i.test(message);
  return new TopoweaveError('observe', `cannot read namespace ${namespace}: ${message}`, {
    ...(isRefused
      ? { hint: 'this needs root: use sudo, or try it in a throw-away host with: topoweave sandbox' }
      : {}),
    ...(cause === undefined ? {} : { cause }),
  });
}
