import type { NftObject } from '../../observe/live.ts';
import { NeedsProgram } from './errors.ts';
import { type Library, loadLibrary } from './libc.ts';

/** libnftables(3), as far as it is used. A context belongs to the namespace in which it was made. */
interface Nftables {
  readonly create: (flags: number) => unknown;
  readonly free: (context: unknown) => void;
  readonly setOutput: (context: unknown, flags: number) => void;
  readonly bufferOutput: (context: unknown) => number;
  readonly bufferError: (context: unknown) => number;
  readonly output: (context: unknown) => string;
  readonly error: (context: unknown) => string;
  readonly run: (context: unknown, script: string) => number;
}

/** NFT_CTX_OUTPUT_JSON. */
const JSON_OUTPUT = 1 << 4;

let nftables: Nftables | undefined;

/**
 * Loads the library that the program nft is made of; its package is a dependency of nftables'.
 *
 * @throws NeedsProgram when it is not there.
 */
export function loadNftables(): Nftables {
  if (nftables !== undefined) return nftables;
  const library = loadOrGiveUp();
  nftables = {
    create: library.func('void *nft_ctx_new(uint32_t flags)'),
    free: library.func('void nft_ctx_free(void *ctx)'),
    setOutput: library.func('void nft_ctx_output_set_flags(void *ctx, unsigned int flags)'),
    bufferOutput: library.func('int nft_ctx_buffer_output(void *ctx)'),
    bufferError: library.func('int nft_ctx_buffer_error(void *ctx)'),
    output: library.func('const char *nft_ctx_get_output_buffer(void *ctx)'),
    error: library.func('const char *nft_ctx_get_error_buffer(void *ctx)'),
    run: library.func('int nft_run_cmd_from_buffer(void *ctx, const char *buf)'),
  };
  return nftables;
}

function loadOrGiveUp(): Library {
  try {
    return loadLibrary('libnftables.so.1');
  } catch (error) {
    throw new NeedsProgram((error as Error).message);
  }
}

/**
 * Loads a script into the namespace that the thread is in, in one transaction.
 *
 * @throws Error with nft's own words.
 */
export function runNft(script: string): void {
  const { code, error } = execute(script, 0);
  if (code !== 0) throw new Error(`nftables: ${error.trim().split('\n')[0] ?? 'no message'}`);
}

/**
 * The objects of one table, as `nft -j list table` prints them; none where there is no such table.
 *
 * @throws Error with nft's own words.
 */
export function listTable(table: string, family: 'inet' | 'bridge' = 'inet'): NftObject[] {
  return listJson(`list table ${family} ${table}`);
}

/** What `nft -j` prints for a command that lists; none where there is no such object. */
export function listJson(command: string): NftObject[] {
  const { code, output, error } = execute(command, JSON_OUTPUT);
  if (code === 0) return (JSON.parse(output) as { nftables: NftObject[] }).nftables;
  if (/No such file/.test(error)) return [];
  throw new Error(error.trim());
}

function execute(script: string, flags: number): { code: number; output: string; error: string } {
  const nft = loadNftables();
  const context = nft.create(0);
  try {
    nft.bufferOutput(context);
    nft.bufferError(context);
    nft.setOutput(context, flags);
    const code = nft.run(context, script);
    return { code, output: nft.output(context), error: nft.error(context) };
  } finally {
    nft.free(context);
  }
}
