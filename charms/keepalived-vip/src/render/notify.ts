import { HANDOVER_TABLE } from './handover-nft.ts';

/** keepalived runs it whenever one of its instances changes its state. */
export const NOTIFY_SCRIPT = '/etc/keepalived/notify';

/** Where it leaves a file for each instance, `<name>.state`, with the state and the second it began in. */
export const STATE_DIRECTORY = '/run/keepalived';

/** Locks: of who tells Juju, and of who will tell it next. Outside of the directory that comes and goes with the daemon. */
export const TELLING_LOCK = '/run/keepalived-vip.telling';
export const NEXT_LOCK = '/run/keepalived-vip.next';

/**
 * Writes down what an instance has become, and has Juju run a hook of the unit, so that its status follows at once. However
 * often the state changes, one hook runs, and one waits, which will see what all changes until then have led to.
 */
export function renderNotify(unit: string): string {
  return `#!/bin/sh
# Written by the keepalived-vip charm. keepalived adds: INSTANCE <name> <state> <priority>
if [ "$1" = tell ]; then
    exec 8> ${NEXT_LOCK} 9> ${TELLING_LOCK}
    flock --nonblock 8 || exit 0
    flock 9
    exec 8>&-
    exec /usr/bin/juju-exec ${unit} 'JUJU_DISPATCH_PATH=hooks/update-status ./dispatch'
fi
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
flock --nonblock ${NEXT_LOCK} true || exit 0
# In a service of its own, because keepalived takes its scripts along when it ends.
exec systemd-run --quiet --collect --no-block ${NOTIFY_SCRIPT} tell
`;
}
