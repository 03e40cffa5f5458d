/** A place in a topology file: a JSON pointer (RFC 6901) into the document, and which part of the entry is meant. */
export interface Place {
  readonly pointer: string;
  readonly part: 'key' | 'value';
}

/** A place as a person reads it. Lines and columns count from 1; columns count UTF-16 units. */
export interface Location {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** One problem in a file. `help` says how to mend it; `related` names the other places of a conflict. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning' | 'note';
  readonly code: string;
  readonly message: string;
  readonly location: Location;
  readonly help?: string;
  readonly related?: readonly { readonly message: string; readonly location: Location }[];
}
