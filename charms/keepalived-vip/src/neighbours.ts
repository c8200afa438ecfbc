import { tryRun } from 'juju-ts-host';
import { z } from 'zod';
import { placeVips } from './instances.ts';
import type { Instance, Known, Sighted } from './state.ts';
import { TABLE } from './render/peers-nft.ts';
import { strangersTo } from './waiting.ts';

/**
 * Asks an Ethernet network who has these addresses, as a machine does before it takes one (ARP, RFC 5227; neighbour
 * discovery, RFC 4862), and listens for VRRP of one router number. Prints `has <address> <MAC>` and `vrrp <address>`.
 * Only what every Debian and Ubuntu has: perl-base. arguments: device, router number, addresses.
 */
export const LOOK_SCRIPT = `
use strict;
use warnings;
use Socket qw(:DEFAULT inet_pton inet_ntop);

my ($device, $router, @addresses) = @ARGV;
my %wanted = map { $_ => inet_pton(/:/ ? AF_INET6 : AF_INET, $_) } @addresses;
my ($PACKET, $ARP, $IPV4, $IPV6) = (17, 0x0806, 0x0800, 0x86dd);

socket(my $link, $PACKET, SOCK_DGRAM, unpack('S', pack('n', 3))) or die "packet socket: $!\\n";
ioctl($link, 0x8933, my $interface = pack('a16 x24', $device)) or die "$device: $!\\n";
my $index = unpack('x16 i', $interface);
ioctl($link, 0x8927, $interface = pack('a16 x24', $device)) or die "$device: $!\\n";
my $mac = substr($interface, 18, 6);
bind($link, pack('S n i x12', $PACKET, 3, $index)) or die "$device: $!\\n";
# All multicast, because the network card keeps back what nobody has joined.
setsockopt($link, 263, 1, pack('i S S a8', $index, 2, 0, ''));

sub transmit {
    my ($type, $to, $packet) = @_;
    send($link, $packet, 0, pack('S n i S C C a8', $PACKET, $type, $index, 0, 0, 6, $to)) or die "$device: $!\\n";
}

sub ask {
    my ($target) = @_;
    return transmit($ARP, "\\xff" x 6, pack('n n C C n a6 x4 x6 a4', 1, $IPV4, 6, 4, 1, $mac, $target))
        if length $target == 4;
    my $last = substr($target, 13);
    my $ends = ("\\0" x 16) . inet_pton(AF_INET6, 'ff02::1:ff00:0');
    substr($ends, 29) = $last;
    my $question = pack('C C n N a16', 135, 0, 0, 0, $target);
    my $sum = 0;
    $sum += $_ for unpack('n*', $ends . pack('N N', length $question, 58) . $question);
    $sum = ($sum & 0xffff) + ($sum >> 16) while $sum >> 16;
    substr($question, 2, 2) = pack('n', ~$sum & 0xffff);
    transmit($IPV6, "\\x33\\x33\\xff$last", pack('N n C C', 0x60000000, length $question, 58, 255) . $ends . $question);
}

my %seen;
sub report { my ($line) = @_; print "$line\\n" unless $seen{$line}++ }

for (1 .. 3) {
    ask($_) for values %wanted;
    select(undef, undef, undef, 0.2);
}
# Longer than the adverts of most routers are apart.
$SIG{ALRM} = sub { exit };
alarm 2;
while (defined(my $from = recv($link, my $packet, 2048, 0))) {
    my ($type, $direction, $source) = unpack('x2 n x4 x2 C x a6', $from);
    next if $direction == 4;
    my ($address, $payload);
    if ($type == $ARP && length $packet >= 28) {
        tell_owner(substr($packet, 14, 4), substr($packet, 8, 6));
    } elsif ($type == $IPV4 && length $packet > 20 && ord(substr($packet, 9, 1)) == 112) {
        my $header = 4 * (ord($packet) & 15);
        tell_router(AF_INET, substr($packet, 12, 4), substr($packet, $header));
    } elsif ($type == $IPV6 && length $packet >= 44) {
        my $next = ord(substr($packet, 6, 1));
        tell_router(AF_INET6, substr($packet, 8, 16), substr($packet, 40)) if $next == 112;
        tell_owner(substr($packet, 48, 16), $source) if $next == 58 && length $packet >= 64 && ord(substr($packet, 40, 1)) == 136;
    }
}

sub tell_owner {
    my ($address, $owner) = @_;
    for (@addresses) { report("has $_ " . join(':', unpack('(H2)6', $owner))) if $wanted{$_} eq $address }
}

sub tell_router {
    my ($family, $address, $advert) = @_;
    report('vrrp ' . inet_ntop($family, $address)) if length $advert > 1 && ord(substr($advert, 1, 1)) == $router;
}
`;

/**
 * Who on the network has what this unit is about to take, and is none of the others. It looks only at addresses that no
 * unit has held yet, right before this one starts with them; of routers with the same number the firewall tells later.
 * @param hasTime whether a unit that waits for others looks if they are there at all
 */
export async function lookAround(state: Known, hasTime: boolean): Promise<Sighted> {
  const placement = placeVips(state);
  const instances = placement.kind === 'placed' ? placement.instances : [];
  const looks = instances.map((instance) => lookFrom(instance, state, hasTime));
  const sighted = await Promise.all([...looks, filteredRouters()]);
  return {
    holders: sighted.flatMap(({ holders }) => holders),
    routers: [...new Set(sighted.flatMap(({ routers }) => routers))].toSorted(),
    silent: sighted.flatMap(({ silent }) => silent),
  };
}

const NOBODY: Sighted = { holders: [], routers: [], silent: [] };

async function lookFrom(instance: Instance, state: Known, hasTime: boolean): Promise<Sighted> {
  const { peers, managed, options } = state;
  const known = new Set([
    ...managed,
    ...peers.flatMap(({ instances }) => instances.flatMap(({ vips }) => vips)),
  ]);
  const fresh = instance.vips.map(({ address }) => address).filter((address) => !known.has(address));
  const waits = strangersTo(instance, state).length > 0;
  // One that runs looks before it stops for new options: nobody stops for an address that is not to be had.
  const runs = state.running.has(instance.name);
  if (waits && !(runs && fresh.length > 0) ? !hasTime : fresh.length === 0) return NOBODY;
  const own = instance.peers.map(({ address }) => address);
  const router = String(options['virtual-router-id']);
  const { exitCode, stdout } = await tryRun(['perl', '-', instance.interface, router, ...fresh, ...own], {
    stdin: LOOK_SCRIPT,
    timeout: 10_000,
  });
  if (exitCode !== 0) return NOBODY;
  const sighted = sightedIn(stdout, own);
  if (strangersTo(instance, state, sighted.silent).length === 0) return sighted;
  return runs ? { ...sighted, silent: [] } : NOBODY;
}

/**
 * What the script has printed: who has a virtual address and that of a unit is that unit, and nobody else.
 * @param own the addresses of the other units
 */
export function sightedIn(output: string, own: readonly string[]): Sighted {
  const lines = output.split('\n').map((line) => line.split(' '));
  const holders = lines.flatMap(([kind, address = '', mac = '']) =>
    kind === 'has' ? [{ address, mac }] : [],
  );
  const units = new Set(holders.filter(({ address }) => own.includes(address)).map(({ mac }) => mac));
  return {
    holders: holders.filter(({ address, mac }) => !own.includes(address) && !units.has(mac)),
    routers: lines.flatMap(([kind, address = '']) =>
      kind === 'vrrp' && !own.includes(address) && !address.startsWith('fe80:') ? [address] : [],
    ),
    silent: own.filter((address) => !holders.some((holder) => holder.address === address)),
  };
}

const Ruleset = z.object({
  nftables: z.array(
    z.looseObject({
      set: z
        .looseObject({
          elem: z
            .array(z.union([z.string(), z.object({ elem: z.looseObject({ val: z.string() }) })]))
            .default([]),
        })
        .optional(),
    }),
  ),
});

/**
 * Whether the firewall rules are there: a reload of all the machine's own rules begins with the removal of every table.
 * Where nothing can be asked of nftables, nothing is known of them.
 */
export async function readFilter(): Promise<'there' | 'missing' | 'unknown'> {
  const { exitCode, stdout } = await tryRun(['nft', 'list', 'tables', 'inet']);
  if (exitCode !== 0) return 'unknown';
  return stdout.split('\n').includes(`table inet ${TABLE}`) ? 'there' : 'missing';
}

/** The routers whose VRRP the firewall has dropped lately. */
async function filteredRouters(): Promise<Sighted> {
  const { exitCode, stdout } = await tryRun(['nft', '--json', 'list', 'table', 'inet', TABLE]);
  if (exitCode !== 0) return NOBODY;
  return { ...NOBODY, routers: routersIn(stdout) };
}

/** @param ruleset as `nft --json` prints it */
export function routersIn(ruleset: string): readonly string[] {
  return Ruleset.parse(JSON.parse(ruleset)).nftables.flatMap(({ set }) =>
    (set?.elem ?? []).map((element) => (typeof element === 'string' ? element : element.elem.val)),
  );
}
