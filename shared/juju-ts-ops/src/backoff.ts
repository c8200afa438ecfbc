/** How soon something is looked at again that has only just begun, in seconds. */
const SOON = 10;
/** From then on `update-status` is soon enough, in seconds. */
const LONG = 240;

/**
 * When to reconcile again while a problem lasts: once it has lasted twice as long. For {@link Plan.reconcileIn}.
 * @param lasted for how long the problem has lasted, in seconds
 * @returns the delay in seconds; `undefined` if the next `update-status` is soon enough
 */
export function backoff(lasted: number): number | undefined {
  return lasted > LONG ? undefined : Math.max(SOON, Math.round(lasted));
}
