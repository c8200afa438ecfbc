/** systemd runs it after keepalived has started, with the id of its first process. */
export const REALTIME_SCRIPT = '/etc/keepalived/realtime';

/**
 * Gives keepalived realtime scheduling, so that a machine that is busy is not taken for a dead one. The scripts that it
 * runs inherit it: a check that only waits for a processor must not look like a service that does not answer. Where a
 * container does not permit that, the priority of keepalived.conf has to do.
 */
export const REALTIME_SCRIPT_CONTENT = `#!/bin/sh
# Written by the keepalived-vip charm.
chrt --rr --pid 50 "$1" || exit 1
for child in $(cat "/proc/$1/task/$1/children"); do
    chrt --rr --pid 50 "$child"
done
`;
