#!/usr/bin/perl
# A hook tool, or juju-exec, under whatever name it is called: hands its arguments to juju-local and prints what comes
# back. Without modules, because a charm calls tools dozens of times in a hook and loading Socket takes 20 ms.
my $context = $ENV{JUJU_CONTEXT_ID};
my ($tool) = $0 =~ m{([^/]+)$};
sub fail { print STDERR "ERROR $_[0]\n"; exit 1 }

my $path = $ENV{JUJU_AGENT_SOCKET_ADDRESS};
if ($tool eq 'juju-exec') {
    fail("juju-exec cannot be called from within a hook, have context \"$context\"") if defined $context;
    ($context, $path) = ('', '/var/lib/juju/agent.socket');
}
fail('JUJU_CONTEXT_ID not set') if !defined $context;
my $stdin = '';
if ($tool ne 'juju-exec' and "@ARGV" =~ /(^| )--file[ =]-( |$)/) {
    local $/;
    $stdin = <STDIN>;
}
# AF_UNIX and SOCK_STREAM are 1 on every architecture that Debian has, but for MIPS.
socket(my $socket, 1, 1, 0) or fail("no socket: $!");
connect($socket, pack('Sa*', 1, $path)) or fail("cannot reach juju-local: $!");
my @fields = ($context, $tool, $stdin, @ARGV);
my $request = pack('N', scalar @fields) . join '', map { pack('N/a*', $_) } @fields;
while (length $request) {
    my $sent = syswrite($socket, $request);
    fail("cannot reach juju-local: $!") if !defined $sent;
    substr($request, 0, $sent, '');
}
my $answer = do { local $/; <$socket> };
fail('juju-local went away') if !defined $answer || length $answer < 12;
my ($code, $out, $err) = unpack('N N/a* N/a*', $answer);
print STDOUT $out;
print STDERR $err;
exit $code;
