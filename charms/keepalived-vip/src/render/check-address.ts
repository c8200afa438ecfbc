/** Says by its exit code whether this machine has an address: keepalived runs it every second. */
export const CHECK_ADDRESS_SCRIPT = '/etc/keepalived/check-address';

/**
 * For the address that VRRP is sent from: a machine that has lost it cannot be heard, and would hold the virtual
 * addresses beside another. keepalived's own `track_src_ip` does not see it come back where there are several.
 */
export const CHECK_ADDRESS_SCRIPT_CONTENT = `#!/bin/sh
# Written by the keepalived-vip charm.
found=$(ip -oneline address show to "$1") || exit 0
[ -n "$found" ]
`;
