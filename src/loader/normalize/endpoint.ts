import type { Place } from '../../lib/diagnostic.ts';
import { pointer } from '../../lib/pointer.ts';
import { type Context, checkNamespace } from './context.ts';

export interface Endpoint {
  readonly namespace: string;
  readonly name: string;
}

/** One end of a link or port as the file has it: its key, its settings, and where both are. */
export interface RawEndpoint<Settings> {
  readonly text: string;
  readonly settings: Settings | undefined;
  readonly place: Place;
  /** The pointer of the settings. */
  readonly base: string;
}

/** `NAMESPACE:INTERFACE`; undefined, with a report, for anything else. */
export function parseEndpoint(context: Context, text: string, place: Place): Endpoint | undefined {
  const colon = text.indexOf(':');
  const namespace = text.slice(0, Math.max(colon, 0));
  const name = text.slice(colon + 1);
  if (namespace === '' || name === '') {
    const message = `endpoint '${text}' is not of the form NAMESPACE:INTERFACE, such as ${namespace || 'ns0'}:${name || 'eth0'}`;
    context.report({ code: 'endpoint', message, place });
    return undefined;
  }
  checkNamespace(context, namespace, place);
  return { namespace, name };
}

/** The map form and the list form of endpoints or ports, as one list. */
export function listEndpoints<Settings>(
  raw: readonly string[] | Readonly<Record<string, Settings>> | undefined,
  base: readonly (string | number)[],
): RawEndpoint<Settings>[] {
  if (raw === undefined) return [];
  const start = pointer(...base);
  if (isList(raw)) {
    return raw.map((text, index) => {
      const at = `${start}/${index}`;
      return { text, settings: undefined, place: { pointer: at, part: 'value' }, base: at };
    });
  }
  return Object.entries(raw).map(([text, settings]) => {
    const at = start + pointer(text);
    return { text, settings, place: { pointer: at, part: 'key' }, base: at };
  });
}

// Array.isArray does not narrow a readonly array out of a union.
function isList(raw: readonly string[] | Readonly<Record<string, unknown>>): raw is readonly string[] {
  return Array.isArray(raw);
}
