import { fstatSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

/** Standard output or standard error: what is written to it never ends the run. */
export interface Output {
  readonly write: (text: string) => void;
  /** Whether nothing more can be written, for whatever reason. */
  readonly isOver: () => boolean;
  /** Why something that was to be written is not where it should be; a reader that went away is no reason. */
  readonly failure: () => Error | undefined;
}

interface OutputStream {
  readonly fd: number;
  readonly write: (text: string) => unknown;
  readonly on: (event: 'error', listener: (error: NodeJS.ErrnoException) => void) => unknown;
}

/**
 * After the first error nothing more is tried: what came behind it would have a hole in front. A run that changes the
 * machine goes on to its end, and who prints has nothing else to do.
 */
export function outputTo(stream: OutputStream): Output {
  const isTerminal = isatty(stream.fd);
  let error: NodeJS.ErrnoException | undefined;
  const end = (cause: NodeJS.ErrnoException) => {
    error ??= cause;
  };
  // Of a pipe or a terminal: later, and thrown where nobody listens.
  stream.on('error', end);
  const put = isFile(stream.fd)
    ? (text: string) => writeAll(stream.fd, text)
    : (text: string) => stream.write(text);
  return {
    write: (text) => {
      if (error !== undefined) return;
      try {
        put(text);
      } catch (cause) {
        end(cause as NodeJS.ErrnoException);
      }
    },
    isOver: () => error !== undefined,
    failure: () => (error === undefined || isGone(error, isTerminal) ? undefined : error),
  };
}

/** The reader of a pipe or a socket went away, or the terminal is no more (EIO; tty_hung_up_p in drivers/tty). */
function isGone({ code = '' }: NodeJS.ErrnoException, isTerminal: boolean): boolean {
  return code === 'EPIPE' || code === 'ECONNRESET' || (code === 'EIO' && isTerminal);
}

function isFile(fd: number): boolean {
  try {
    const status = fstatSync(fd);
    return status.isFile() || (status.isCharacterDevice() && !isatty(fd));
  } catch {
    return false;
  }
}

/** A disk that is nearly full takes a part (write(2)), and Node's stream would take that for all. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}
