export const SERVER = '/usr/local/sbin/web-server';
export const UNIT = '/etc/systemd/system/web.service';

export const UNIT_CONTENT = `[Service]
ExecStart=${SERVER}
Restart=always
KillMode=process
[Install]
WantedBy=multi-user.target
`;

/** Only what every Debian and Ubuntu has: perl-base. A process for each connection, which a clean stop lets finish. */
export function renderServer(unit: string, port: number): string {
  return `#!/usr/bin/perl
use strict;
use warnings;
use Socket qw(:all);

$SIG{CHLD} = 'IGNORE';
socket(my $server, PF_INET6, SOCK_STREAM, 0) or die "socket: $!";
setsockopt($server, SOL_SOCKET, SO_REUSEADDR, 1);
bind($server, pack_sockaddr_in6(${port}, IN6ADDR_ANY)) or die "bind: $!";
listen($server, 512);
while (accept(my $client, $server)) {
    next if fork();
    my $request = '';
    while ($request !~ /\\r\\n\\r\\n/) { sysread($client, $request, 4096, length $request) or exit }
    sleep 2 if $request =~ m{^GET /slow };
    my ($scheme) = $request =~ /^X-Forwarded-Proto: (\\S+)/mi;
    my $body = join(' ', '${unit}', $scheme // 'http') . "\\n";
    syswrite($client, "HTTP/1.1 200 OK\\r\\nContent-Length: @{[length $body]}\\r\\nConnection: close\\r\\n\\r\\n$body");
    exit;
}
`;
}
