import type { Command } from '../kinds/resource.ts';
import type { ExtraTable, LiveNamespace } from '../observe/live.ts';
import type { PortUseTexts } from '../observe/port-use.ts';
import type { Batch, Step } from '../plan/step.ts';

/** `ip`: the programs of iproute2 and nftables. `netlink`: the kernel's own interface, in this process. */
export type EngineName = 'netlink' | 'ip';

export interface ReadRequest {
  /** undefined: no lab's nftables tables are read. */
  readonly lab: string | undefined;
  /** Namespaces that the file declares: there the mark of the lab counts without the record, too. */
  readonly declared?: ReadonlySet<string>;
  /** Namespaces where the file has NAT: their table is read. Marked ones are read in any case. */
  readonly nat: ReadonlySet<string>;
  /** Namespaces where the file has a firewall; of marked ones its tables are read in any case. */
  readonly firewall?: ReadonlySet<string>;
  /** Dotted sysctl names to read, by namespace. */
  readonly sysctls: ReadonlyMap<string, readonly string[]>;
  /** Names that interfaces have in the file, by namespace and by the kernel's name, where the two are not the same. */
  readonly longNames?: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** What is read only where it may be, by namespace; see extra-tables.ts. */
  readonly extra?: ReadonlyMap<string, ReadonlySet<ExtraTable>>;
  /** Namespaces where the forwarding entries of bridges are read; they are many, and hardly ever in a file. */
  readonly fdb?: ReadonlySet<string>;
  /** Namespaces where the file impairs what an interface receives: their queueing disciplines are read. */
  readonly ingress?: ReadonlySet<string>;
  /** Also ask which namespace each namespace id means; with `ip` its cost grows with the square of their number. */
  readonly withPeers?: boolean;
  /** Of namespaces other than the host only their links: when they are to be removed, all else goes with them. */
  readonly onlyLinks?: boolean;
  /** The file has bridges of Open vSwitch. */
  readonly ovs?: boolean;
  /** The file, or the record, has rules in Docker's chain DOCKER-USER. */
  readonly dockerUser?: boolean;
}

export interface StepFailure {
  readonly step: Step;
  /** The command that failed, where it is known. */
  readonly command: Command | undefined;
  /** What the kernel or the tool said. */
  readonly message: string;
}

export interface BatchResult {
  /** `left-out`: an interruption came before. */
  readonly outcome: 'done' | 'failed' | 'left-out';
  readonly failure?: StepFailure;
  /** Values of sysctls right before they were written, by dotted name. */
  readonly sysctlsBefore?: ReadonlyMap<string, string>;
}

export interface PerformOptions {
  /** Called as each batch ends, with its index. */
  readonly onDone: (index: number, isDone: boolean) => void;
  /** Ends the run; what is under way is finished. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A way to the kernel. All of them take the same commands and give the same documents: what `ip -j -d` prints, as far as
 * live.ts describes it.
 */
export interface Engine {
  readonly name: EngineName;
  /**
   * Reads namespaces, in any number. One that went meanwhile is left out of the answer.
   *
   * @throws TopoweaveError when one cannot be read.
   */
  readonly read: (
    namespaces: readonly string[],
    request: ReadRequest,
  ) => Promise<ReadonlyMap<string, LiveNamespace>>;
  /** What holds ports in a namespace: sockets and rules of others. */
  readonly readPortUse: (namespace: string) => Promise<PortUseTexts>;
  /** Performs batches that do not depend on each other, in any order. One that fails does not stop the others. */
  readonly perform: (batches: readonly Batch[], options: PerformOptions) => Promise<BatchResult[]>;
  /**
   * Takes the lock of an open file (flock(2)) until it is closed; false where another process has it. An engine without
   * this leaves it to flock(1).
   */
  readonly lock?: (fd: number) => boolean;
  /** A run begins that no other may change: the engine may keep what it opens until `release`. */
  readonly hold: () => void;
  /**
   * Namespaces that a plan is about to want, behind `hold`: an engine may begin with what nobody sees and what is gone
   * with `release`.
   */
  readonly expect?: (namespaces: readonly string[]) => void;
  /** Gives back what it kept; it can be used again. */
  readonly release: () => void;
}
