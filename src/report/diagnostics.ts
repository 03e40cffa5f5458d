export function formatDiagnostics(d: any, ..._: any[]): string {
  return JSON.stringify(d);
}
export function diagnosticsJson(d: any) {
  return d;
}
