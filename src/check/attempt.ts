/**
 * What one try of a check showed. `partly`: some packets were answered; neither reachable nor unreachable.
 * `broken`: the try itself could not be made, which says nothing about the network.
 */
export interface Attempt {
  readonly outcome: 'answered' | 'partly' | 'silent' | 'broken';
  readonly detail: string;
  /** Who took the packets at the port. */
  readonly listener?: Listener;
}

/**
 * Who listens where a tcp or udp check leads to: the check's `own` listener, an `other` process that was there, or, as far
 * as the check can tell, `none`: it may not listen itself, and nothing answered.
 */
export type Listener = 'own' | 'other' | 'none';
