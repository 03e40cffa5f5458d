/**
 * What one try of a check showed. `partly`: some packets were answered; neither reachable nor unreachable.
 * `broken`: the try itself could not be made, which says nothing about the network.
 */
export interface Attempt {
  readonly outcome: 'answered' | 'partly' | 'silent' | 'broken';
  readonly detail: string;
}
