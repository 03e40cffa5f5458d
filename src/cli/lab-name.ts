export function isLabName(text: string): boolean {
  return /^[a-z][a-z0-9-]{0,31}$/.test(text);
}
