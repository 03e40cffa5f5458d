import { TopoweaveError } from '../lib/errors.ts';
import { hintOf } from '../lib/system-error.ts';

/** A namespace that is there and cannot be read. */
export function cannotRead(namespace: string, message: string, cause?: unknown): TopoweaveError {
  const isRefused = /not permitted|permission denied|EPERM|EACCES/i.test(message);
  const hint = isRefused
    ? 'this needs root: use sudo, or try it in a throw-away host with: topoweave sandbox'
    : hintOf(cause);
  return new TopoweaveError('observe', `cannot read namespace ${namespace}: ${message}`, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}
