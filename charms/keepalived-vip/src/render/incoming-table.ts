/**
 * An nftables file with a table of its own, whose chain sees what comes in before routing does, because multicast that
 * nobody has joined goes no further. Loading it replaces the table of before in one step.
 */
export function renderIncomingTable(
  purpose: string,
  table: string,
  sets: readonly string[],
  rules: readonly string[],
): string {
  return [
    `# Written by the keepalived-vip charm: ${purpose}.`,
    `table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    ...sets.map((set) => `    ${set}`),
    '    chain incoming {',
    '        type filter hook prerouting priority raw; policy accept;',
    ...rules.map((rule) => `        ${rule}`),
    '    }',
    '}',
    '',
  ].join('\n');
}
