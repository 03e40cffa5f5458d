/** What one value of a range is: as it is written (`07`), as a number, and its position in the range, from 1. */
export interface Binding {
  readonly text: string;
  readonly number: number | undefined;
  readonly position: number;
}

/** What the ranges around a place stand for, by name. */
export type Scope = ReadonlyMap<string, Binding>;

/** A mistake in an expression; its message is for the user. */
export class ExpressionError extends Error {}

type Part = string | ((scope: Scope) => string);

const parsed = new Map<string, readonly Part[]>();

/**
 * A text with the values of its expressions: `10.0.<n/256>.<n%256>`. What stands between < and > and is no expression
 * stays as it is; an expression has no blanks.
 *
 * @throws ExpressionError where a name is not known, or a number is needed and there is none.
 */
export function evaluate(text: string, scope: Scope): string {
  if (!text.includes('<')) return text;
  let parts = parsed.get(text);
  if (parts === undefined) {
    parts = parseText(text);
    // A file of thousands of different texts needs no more than the last ones.
    if (parsed.size > 10_000) parsed.clear();
    parsed.set(text, parts);
  }
  return parts.map((part) => (typeof part === 'string' ? part : part(scope))).join('');
}

function parseText(text: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const { 0: whole, 1: inside = '', index } of text.matchAll(/<([^<>\s]+)>/g)) {
    const part = parseExpression(inside);
    if (part === undefined) continue;
    parts.push(text.slice(from, index), part);
    from = index + whole.length;
  }
  return [...parts, text.slice(from)];
}

type Compute = (scope: Scope) => number;

/** `n`, `#n`, `n*4+1`, with an optional format behind a colon: `n:02x`. undefined: it is none. */
function parseExpression(text: string): ((scope: Scope) => string) | undefined {
  const [, body = '', format] = /^(.*?)(?::(0?\d{0,2}[dx]))?$/.exec(text) ?? [];
  const name = /^[a-z]\w*$/.exec(body)?.[0];
  if (name !== undefined && format === undefined) return (scope) => bindingOf(scope, name).text;
  const tokens = body.match(/#?[a-z]\w*|\d{1,15}|[-+*/%()]|\S/g) ?? [];
  const reader = { tokens, at: 0 };
  const compute = readSum(reader);
  if (compute === undefined || reader.at < tokens.length) return undefined;
  return (scope) => formatNumber(compute(scope), format);
}

interface TokenReader {
  readonly tokens: readonly string[];
  at: number;
}

function readSum(reader: TokenReader): Compute | undefined {
  return readChain(reader, ['+', '-'], readProduct);
}

function readProduct(reader: TokenReader): Compute | undefined {
  return readChain(reader, ['*', '/', '%'], readOperand);
}

function readChain(
  reader: TokenReader,
  operators: readonly string[],
  readPart: (reader: TokenReader) => Compute | undefined,
): Compute | undefined {
  let left = readPart(reader);
  for (;;) {
    const operator = reader.tokens[reader.at] ?? '';
    if (left === undefined || !operators.includes(operator)) return left;
    reader.at += 1;
    const [first, second] = [left, readPart(reader)];
    left = second && ((scope) => calculate(operator, first(scope), second(scope)));
  }
}

/** Deeper than any address plan, and not deep enough for the stack. */
const MAX_TOKENS = 50;

function readOperand(reader: TokenReader): Compute | undefined {
  const token = reader.tokens[reader.at] ?? '';
  reader.at += 1;
  if (reader.tokens.length > MAX_TOKENS) return undefined;
  if (/^\d/.test(token)) return () => Number(token);
  if (token.startsWith('#') && token.length > 1) return (scope) => bindingOf(scope, token.slice(1)).position;
  if (/^[a-z]/.test(token)) return (scope) => numberOf(scope, token);
  if (token !== '(') return undefined;
  const inside = readSum(reader);
  reader.at += 1;
  return reader.tokens[reader.at - 1] === ')' ? inside : undefined;
}

function calculate(operator: string, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
  }
  if (b === 0) throw new ExpressionError('an expression divides by zero');
  const quotient = Math.floor(a / b);
  return operator === '/' ? quotient : a - quotient * b;
}

function bindingOf(scope: Scope, name: string): Binding {
  const binding = scope.get(name);
  if (binding !== undefined) return binding;
  const known = [...scope.keys()].map((each) => `<${each}>`).join(', ');
  throw new ExpressionError(`no range around this is called '${name}'; there is ${known}`);
}

function numberOf(scope: Scope, name: string): number {
  const { number, text } = bindingOf(scope, name);
  if (number !== undefined) return number;
  throw new ExpressionError(`'${text}' is not a number; <#${name}> is its position in the range`);
}

function formatNumber(value: number, format = 'd'): string {
  if (!Number.isSafeInteger(value)) throw new ExpressionError('an expression is too large');
  const digits = Math.abs(value).toString(format.endsWith('x') ? 16 : 10);
  const width = Number(/\d+/.exec(format)?.[0] ?? 0);
  return (value < 0 ? '-' : '') + digits.padStart(width, format.startsWith('0') ? '0' : ' ');
}
