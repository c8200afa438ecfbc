/**
 * The file by which a service says, while it still serves, that it is going to stop. Whoever sends it clients sees it
 * and sends them elsewhere. It is on a file system that does not outlive the machine.
 */
export function drainMark(service: string): string {
  return `/run/${service}.draining`;
}
