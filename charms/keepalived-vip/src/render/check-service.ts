import { drainMark } from 'juju-ts-host';
import { HANDOVER_NFT, HANDOVER_PAUSE } from './handover-nft.ts';

/** Says by its exit code whether a service serves on this machine: keepalived runs it every second. */
export const CHECK_SCRIPT = '/etc/keepalived/check-service';

/**
 * Only what every Debian and Ubuntu has: perl-base. HAProxy is asked over its admin socket, which the event loop
 * answers that also serves the clients: one that hangs does not. It is not asked about the servers behind it.
 */
export const CHECK_SCRIPT_CONTENT = `#!/usr/bin/perl
# Written by the keepalived-vip charm. Exits with 0 while the service serves, or is not to run on this machine.
use strict;
use warnings;
use Socket;

my ($service) = @ARGV;
my $timeout = pack('l!l!', 0, 800_000);

# The service is going to stop, and serves until its clients have gone elsewhere.
if (-e "${drainMark('$service')}") {
    system('nft', '--file', '${HANDOVER_NFT}') == 0 and select(undef, undef, undef, ${HANDOVER_PAUSE});
    exit 1;
}

# So that a busy machine is not taken for a dead one.
setpriority(0, 0, -20);

my %ask = (haproxy => \\&ask_haproxy, named => \\&ask_named);
my $serves = ($ask{$service} // \\&is_active)->();
exit 0 if $serves || !is_wanted();
exit 1;

sub ask_haproxy {
    my $path = '/run/haproxy/admin.sock';
    return is_active() unless -S $path;
    socket(my $socket, PF_UNIX, SOCK_STREAM, 0) or return 0;
    set_timeout($socket);
    connect($socket, sockaddr_un($path)) or return 0;
    syswrite($socket, "show info\\n") or return 0;
    return sysread($socket, my $answer, 64) ? 1 : 0;
}

# Any answer will do: named has read the question and said something to it.
sub ask_named {
    my $id = 1 + int(rand(65_535));
    socket(my $socket, PF_INET, SOCK_DGRAM, 0) or return 0;
    set_timeout($socket);
    connect($socket, sockaddr_in(53, INADDR_LOOPBACK)) or return 0;
    syswrite($socket, pack('n6Cnn', $id, 0, 1, 0, 0, 0, 0, 2, 1)) or return 0;
    sysread($socket, my $answer, 512) or return 0;
    return unpack('n', $answer) == $id;
}

sub is_active {
    return system('systemctl', 'is-active', '--quiet', "$service.service") == 0;
}

# Where it is not installed, or disabled, nobody misses it.
sub is_wanted {
    return system('systemctl', 'is-enabled', '--quiet', "$service.service") == 0;
}

sub set_timeout {
    my ($socket) = @_;
    setsockopt($socket, SOL_SOCKET, $_, $timeout) for SO_RCVTIMEO, SO_SNDTIMEO;
    return;
}
`;
