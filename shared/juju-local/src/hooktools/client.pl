#!/usr/bin/perl
# A hook tool, under whatever name it is called: hands its arguments to juju-local and prints what comes back.
use strict;
use warnings;
use IO::Socket::UNIX;

my $context = $ENV{JUJU_CONTEXT_ID};
if (!defined $context) {
    print STDERR "ERROR JUJU_CONTEXT_ID not set\n";
    exit 1;
}
my ($tool) = $0 =~ m{([^/]+)$};
my $stdin = '';
if (grep { $_ eq '-' || $_ eq '--file=-' } @ARGV and !-t STDIN) {
    local $/;
    $stdin = <STDIN> if grep { $_ eq '--file' || $_ eq '--file=-' } @ARGV;
    $stdin = '' unless defined $stdin;
}
my $socket = IO::Socket::UNIX->new(Peer => $ENV{JUJU_AGENT_SOCKET_ADDRESS});
if (!$socket) {
    print STDERR "ERROR cannot reach juju-local: $!\n";
    exit 1;
}
my @fields = ($context, $tool, $stdin, @ARGV);
print $socket pack('N', scalar @fields), map { pack('N/a*', $_) } @fields;
$socket->flush;
my $answer = do { local $/; <$socket> };
if (!defined $answer || length $answer < 12) {
    print STDERR "ERROR juju-local went away\n";
    exit 1;
}
my ($code, $out, $err) = unpack('N N/a* N/a*', $answer);
binmode STDOUT;
binmode STDERR;
print STDOUT $out;
print STDERR $err;
exit $code;
