/**
 * Reads the JSON of iproute2, whose writer escapes only some control characters (jsonw_puts in lib/json_writer.c): others
 * stand in a name or an alias as they are.
 */
export function parseToolJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped
    return JSON.parse(text.replace(/[\u0000-\u001f]/g, escapeOne));
  }
}

function escapeOne(character: string): string {
  // Between values an end of line is only that.
  return character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
