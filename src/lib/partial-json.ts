/** How deep a value may be: deeper is none of ours. */
const DEPTH = 8;
/** How many of the last places to cut are tried: one is enough for a text that only ends too early. */
const TRIES = 8;

interface Cut {
  readonly at: number;
  /** What closes all that is open there. */
  readonly end: string;
  /** How many keys of the outermost map are whole. */
  readonly depth: number;
}

export interface PartialJson {
  readonly value: unknown;
  /** Whether the last member of the outermost map may have lost a part. */
  readonly isLastCut: boolean;
}

/**
 * What the beginning of a broken JSON text says: up to the last member, at any depth, that is whole. Undefined where not
 * even the first one is.
 */
export function parseBeginning(text: string): PartialJson | undefined {
  const cuts = cutsOf(text);
  const outer = cuts.filter(({ depth }) => depth === 1);
  for (const { at, end, depth } of [...cuts.slice(-TRIES).reverse(), ...outer.reverse()]) {
    try {
      return { value: JSON.parse(text.slice(0, at) + end), isLastCut: depth > 1 };
    } catch {
      // The fault is in front of it.
    }
  }
  return undefined;
}

/** Before each comma, and at the end. */
function cutsOf(text: string): Cut[] {
  const tokens = /"(?:[^"\\]|\\.)*"|[[\]{},]/g;
  const cuts: Cut[] = [];
  let end = '';
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const [token] = match;
    if (token === '{') end = `}${end}`;
    else if (token === '[') end = `]${end}`;
    else if (token === '}' || token === ']') end = end.slice(1);
    else if (token === ',') cuts.push({ at: match.index, end, depth: end.length });
    if (end.length > DEPTH || end.length === 0) break;
    // The first of many: what is behind is one value, cut in its middle.
    if (token === '}' || token === ']') cuts.push({ at: match.index + 1, end, depth: end.length });
  }
  return cuts;
}
