const routers = ['disabled', 'auto', 'permanent'];

/** MDB_RTR_TYPE_*; what heard a router by itself is temporarily 3, which counts as automatic. */
export function readRouter(value: unknown): string {
  return routers[Number(value)] ?? 'auto';
}

export function writeRouter(value: unknown): string {
  return String(routers.indexOf(String(value)));
}
