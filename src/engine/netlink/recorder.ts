import { appendFileSync } from 'node:fs';

/**
 * What a recording holds, for the benchmark: scripts/bench/floor.mjs does the same to the kernel with nothing around it.
 * One entry: operation (1 byte), lengths of the namespace's name and of the payload (4 bytes each), number of relocations
 * (2 bytes), the name, the payload, and for each relocation where in the payload a namespace's file descriptor stands
 * (4 bytes), the length of its name (2 bytes) and the name. Little-endian.
 */
export const operations = { addNamespace: 1, messages: 2, sysctl: 3, nft: 4, removeNamespace: 5 } as const;

export interface Relocation {
  readonly offset: number;
  readonly namespace: string;
}

/** The file that TOPOWEAVE_RECORD names; the same process writes it from its start to its end. */
const path = process.env['TOPOWEAVE_RECORD'];

/** Appends to the recording, if there is one. */
export function record(
  operation: keyof typeof operations,
  namespace: string,
  payload: Uint8Array = new Uint8Array(),
  relocations: readonly Relocation[] = [],
): void {
  if (path === undefined) return;
  const name = Buffer.from(namespace === 'host' ? '' : namespace);
  const head = Buffer.alloc(11);
  head[0] = operations[operation];
  head.writeUInt32LE(name.length, 1);
  head.writeUInt32LE(payload.length, 5);
  head.writeUInt16LE(relocations.length, 9);
  const tail = relocations.map(({ offset, namespace: other }) => {
    const text = Buffer.from(other);
    const entry = Buffer.alloc(6);
    entry.writeUInt32LE(offset, 0);
    entry.writeUInt16LE(text.length, 4);
    return Buffer.concat([entry, text]);
  });
  appendFileSync(path, Buffer.concat([head, name, payload, ...tail]), { mode: 0o600 });
}
