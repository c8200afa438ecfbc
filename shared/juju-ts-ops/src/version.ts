/**
 * Whether a Juju version (`3.6.28`, `4.0-beta2`) is at least another (`4.0`). A pre-release counts as its release,
 * because it has the same tools. An unknown version counts as older than any.
 */
export function isAtLeast(version: string, least: string): boolean {
  const [have, want] = [numbers(version), numbers(least)];
  for (const [index, number] of want.entries()) {
    const difference = (have[index] ?? 0) - number;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function numbers(version: string): readonly number[] {
  const [release = ''] = version.split('-');
  return release.split('.').map((part) => Number.parseInt(part, 10) || 0);
}
