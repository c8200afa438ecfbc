import { HANDOVER_TABLE } from './handover-nft.ts';

/** keepalived runs it whenever one of its instances changes its state. */
export const NOTIFY_SCRIPT = '/etc/keepalived/notify';

/** Where it leaves a file for each instance, `<name>.state`, with the state and the second it began in. */
export const STATE_DIRECTORY = '/run/keepalived';

/** Writes down what an instance has become, and has Juju run a hook of the unit, so that its status follows at once. */
export function renderNotify(unit: string): string {
  return `#!/bin/sh
# Written by the keepalived-vip charm. keepalived adds: INSTANCE <name> <state> <priority>
file="${STATE_DIRECTORY}/$2.state"
case "$3" in
    MASTER | BACKUP | FAULT) ;;
    *)
        rm -f "$file"
        exit 0
        ;;
esac
# One that takes the addresses while it is about to leave keeps out new connections: it gives them away in a moment.
[ "$3" = MASTER ] || nft delete table inet ${HANDOVER_TABLE} 2> /dev/null
mkdir -p ${STATE_DIRECTORY}
echo "$3 $(date +%s)" > "$file.$$"
mv "$file.$$" "$file"
[ -x /usr/bin/juju-exec ] || exit 0
# In a service of its own, because keepalived takes its scripts along when it ends.
exec systemd-run --quiet --collect --no-block /usr/bin/juju-exec ${unit} 'JUJU_DISPATCH_PATH=hooks/update-status ./dispatch'
`;
}
