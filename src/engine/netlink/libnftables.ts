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

/** What nft answers: to a script, or to a command that lists. */
export interface NftAnswer {
  readonly code: number;
  readonly output: string;
  readonly error: string;
}

/**
 * Runs a script in the namespace that the thread is in. Where no socket can be had the library ends the whole process
 * (netlink_open_error and its like, src/netlink.c and src/mnl.c of nftables): only for a process of its own.
 */
export function runInProcess(script: string, json: boolean): NftAnswer {
  const nft = loadNftables();
  const context = nft.create(0);
  try {
    nft.bufferOutput(context);
    nft.bufferError(context);
    nft.setOutput(context, json ? JSON_OUTPUT : 0);
    const code = nft.run(context, script);
    return { code, output: nft.output(context), error: nft.error(context) };
  } finally {
    nft.free(context);
  }
}
