/** More than these are not listed: the message must stay readable. */
const MAX_LISTED = 8;

/** `a, b, c and 5 more` */
export function listNames(names: readonly string[]): string {
  const listed = names.slice(0, MAX_LISTED).join(', ');
  return names.length <= MAX_LISTED ? listed : `${listed} and ${names.length - MAX_LISTED} more`;
}
