# Named checks with a deadline each; prints one line per failure and a closing count.
package harness;

use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(check run_checks equal unique restart);

my (@checks, $count);

sub check {
    my ($name, $body) = @_;
    push @checks, [$name, $body];
}

# A name that no other check has.
sub unique {
    return join '-', $_[0], $$, ++$count;
}

sub equal {
    my ($got, $wanted) = @_;
    die "got '$got', wanted '$wanted'" if $got ne $wanted;
}

# Comes back when the gateway is ready again, on its ports and with its data directory.
sub restart {
    system($ENV{GATEWAY_RESTART}) == 0 or die 'the gateway did not start again';
}

sub run_checks {
    my ($client) = @_;
    my ($passed, $failed) = (0, 0);
    $| = 1;
    for (@checks) {
        my ($name, $body) = @$_;
        if (eval { local $SIG{ALRM} = sub { die "nothing came in time\n" }; alarm 60; $body->(); alarm 0; 1 }) {
            $passed++;
            print "  ok $client: $name\n";
        } else {
            alarm 0;
            $failed++;
            print "  FAILED $client: $name\n    $@\n";
        }
    }
    print "$passed passed, $failed failed, 0 skipped\n";
    exit($failed ? 1 : 0);
}

1;
