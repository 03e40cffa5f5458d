/** Scripts with letters that look as Latin ones do (Unicode Technical Standard 39). */
const lookAlike =
  /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}\p{Script=Lisu}]/u;

/**
 * The first character of a name that is not seen, turns its neighbours round, or looks like another: as messages show it,
 * by its number. A name in one script is not meant: only what pretends to be Latin.
 */
export function confusable(name: string): string | undefined {
  const hidden = /[\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.exec(name)?.[0];
  if (hidden !== undefined) return `the character ${codePoint(hidden)}, which is not seen`;
  if (/\p{Script=Latin}/u.test(name)) {
    const letter = lookAlike.exec(name)?.[0];
    if (letter !== undefined) return `${codePoint(letter)}, which looks like a Latin letter`;
  }
  for (const character of name)
    if (/^[\x21-\x7e]$/.test(character.normalize('NFKC')) && character.charCodeAt(0) > 0x7e)
      return `${codePoint(character)}, which looks like '${character.normalize('NFKC')}'`;
  return undefined;
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
