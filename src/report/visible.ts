/**
 * What moves the cursor, colours, reverses or hides text on a terminal: control characters (C0, DEL, C1), formats
 * (bidirectional, zero-width), separators of lines, halves of a surrogate pair, and letters without a shape. The kernel takes
 * nearly every byte in the name of an interface (dev_valid_name in net/core/dev.c) and every one in an alias, so a container
 * could write to the terminal of who looks at it.
 */
const hidden = String.raw`\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0`;
const anyHidden = new RegExp(`[${hidden}]`, 'u');
const eachHidden = new RegExp(`[${hidden}]`, 'gu');
/** A colour of our own, as styleText writes it, or something hidden. */
const eachHiddenOrColor = new RegExp(String.raw`\u001b\[[0-9;]{1,16}m|[${hidden}]`, 'gu');

/** One line of text from outside (the kernel, a file, another process) with what is hidden in it written out: `\u001b`. */
export function visible(text: string): string {
  return anyHidden.test(text) ? text.replace(eachHidden, escapeOne) : text;
}

/** Text of several lines, such as the end of a log: the ends of lines stay. */
export function visibleLines(text: string): string {
  return anyHidden.test(text) ? text.split('\n').map(visible).join('\n') : text;
}

/** The same value with `visible` texts; what has nothing hidden stays as it is. Keys are ours. */
export function visibleIn<T>(value: T): T {
  return visibleValue(value) as T;
}

function visibleValue(value: unknown): unknown {
  if (typeof value === 'string') return visible(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map(visibleValue);
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  // Maps, sets and the like are not printed as they are.
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  const entries = Object.entries(value);
  const changed = entries.flatMap(([key, item]) => {
    const seen = visibleValue(item);
    return seen === item ? [] : [[key, seen] as const];
  });
  return changed.length === 0 ? value : { ...value, ...Object.fromEntries(changed) };
}

/** A cell of a table: one line, which may have been painted. */
export function visibleCell(text: string): string {
  return anyHidden.test(text) ? text.replace(eachHiddenOrColor, keepColor) : text;
}

/**
 * Whole output, right before it is written: lines, tabs and our own colours stay. In JSON, where such a character can only
 * be inside of a text, what comes out is the same text.
 */
export function visibleOutput(text: string): string {
  return anyHidden.test(text)
    ? text.replace(eachHiddenOrColor, (found) =>
        found === '\n' || found === '\t' ? found : keepColor(found),
      )
    : text;
}

function keepColor(found: string): string {
  return found.length > 2 ? found : escapeOne(found);
}

/** As JSON does: units of UTF-16. */
function escapeOne(found: string): string {
  let text = '';
  for (let at = 0; at < found.length; at += 1)
    text += `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`;
  return text;
}
