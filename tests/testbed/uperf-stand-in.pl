#!/usr/bin/perl
# Plays uperf with what the real one printed: no distribution has a package of it. Listens and connects
# as uperf does, ends by the same signals with the same statuses; it sends nothing but a greeting.
#
# Beside it lies a file `replay` of three lines: the folder of recordings, the one to play, and for how
# many seconds a client works.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($dir) = $0 =~ m{^(.*)/};
open(my $setting, '<', "$dir/replay") or die "$dir/replay: $!";
chomp(my ($fixtures, $case, $seconds) = <$setting>);

sub say_as {
    my ($name) = @_;
    for my $pair (['stdout', \*STDOUT], ['stderr', \*STDERR]) {
        open(my $file, '<', "$fixtures/$name/client.$pair->[0]") or next;
        binmode $_ for $file, $pair->[1];
        print { $pair->[1] } do { local $/; <$file> } // '';
    }
}

sub status {
    my ($name) = @_;
    open(my $file, '<', "$fixtures/$name/meta.json") or die "$name: $!";
    return (join '', <$file>) =~ /"client_exit": (\d+)/ ? $1 : 0;
}

my %option;
while (defined(my $word = shift @ARGV)) {
    if ($word =~ /^-([mPiXS])$/) { $option{$1} = shift @ARGV }
    elsif ($word =~ /^-([svVRa])$/) { $option{$1} = 1 }
    else { say_as('30-fail-bad-option'); exit 0 }
}
if ($option{V}) { say_as('00-version'); exit 0 }

if ($option{s}) {
    # Without a handler SIGTERM ends it, as it ends the real one.
    my $server = IO::Socket::INET->new(Listen => 16, LocalPort => $option{P}, ReuseAddr => 1)
        or die "cannot listen on $option{P}: $!\n";
    my $all = IO::Select->new($server);
    while (my @ready = $all->can_read) {
        for my $socket (@ready) {
            if ($socket == $server) { $all->add($server->accept) }
            elsif (!sysread($socket, my $bytes, 4096)) { $all->remove($socket); close $socket }
        }
    }
}

open(my $file, '<', $option{m}) or do { say_as('24-fail-profile-missing'); exit 1 };
my $profile = join '', <$file>;
# What is wrong with a profile is found before anybody is called.
if ($case =~ /^(22|23|25|32)/) { say_as($case); exit status($case) }
my ($host) = $profile =~ /remotehost=(\S+)/;
my $server = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $option{P}, Timeout => 10);
if (!$server) { say_as('20-fail-no-server'); exit 1 }
$SIG{INT} = sub { say_as('31-client-sigint-mid-run'); exit 2 };
$server->send("hello\n");
my $end = time + $seconds;
while (time < $end) {
    # The server says nothing: readable means that it is gone.
    if (IO::Select->new($server)->can_read($end - time)) {
        say_as('26-fail-server-sigkill-mid-run-stream');
        exit 1;
    }
}
if ($option{X}) {
    open(my $from, '<', "$fixtures/$case/response-times.txt") or die "$case: $!";
    open(my $to, '>', $option{X}) or die "$option{X}: $!";
    print {$to} <$from>;
}
say_as($case);
exit status($case);
