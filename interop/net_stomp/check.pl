# Net::Stomp as Debian packages it, unmodified.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";
use Net::Stomp;
use harness;

my $FEW = 20;    # seconds

sub connected {
    my $stomp = Net::Stomp->new({
        hostname => '127.0.0.1', port => $ENV{STOMP_PORT}, reconnect_attempts => 50,
        connect_delay => 0.1, timeout => $FEW, @_,
        $ENV{TLS_CA} ? (ssl => 1, ssl_options => {
            SSL_ca_file => $ENV{TLS_CA},
            $ENV{TLS_CERT} ? (SSL_cert_file => $ENV{TLS_CERT}, SSL_key_file => $ENV{TLS_KEY}) : (),
        }) : (),
    });
    $stomp->connect({ login => 'guest', passcode => 'guest', 'accept-version' => '1.0,1.1' });
    return $stomp;
}

# The next message, which must come.
sub next_of {
    my ($stomp) = @_;
    my $frame = $stomp->receive_frame({ timeout => $FEW }) or die 'nothing came in time';
    die "$frame->{command}: " . $frame->body if $frame->command ne 'MESSAGE';
    return $frame;
}

check 'publishes are confirmed' => sub {
    my $stomp = connected();
    my $queue = '/queue/' . unique('net-stomp');
    for my $i (1 .. 20) {
        $stomp->send_with_receipt({ destination => $queue, body => "m$i", persistent => 'true', n => $i })
            or die 'no receipt';
    }
    $stomp->subscribe({ destination => $queue, ack => 'client', 'prefetch-count' => 10, id => 1 });
    for my $i (1 .. 20) {
        my $frame = next_of($stomp);
        equal($frame->body . ' ' . $frame->headers->{n}, "m$i $i");
        $stomp->ack({ frame => $frame });
    }
    $stomp->disconnect;
};

check 'transactions' => sub {
    my $stomp = connected();
    my $queue = '/queue/' . unique('net-stomp');
    $stomp->send_transactional({ destination => $queue, body => 'whole' }) or die 'not committed';
    $stomp->subscribe({ destination => $queue, ack => 'client', id => 1 });
    my $frame = next_of($stomp);
    equal($frame->body, 'whole');
    $stomp->ack({ frame => $frame });
    $stomp->disconnect;
};

check 'a prefetch bounds what is out' => sub {
    my $stomp = connected();
    my $queue = '/queue/' . unique('net-stomp');
    $stomp->send_with_receipt({ destination => $queue, body => "m$_" }) for 1 .. 5;
    $stomp->subscribe({ destination => $queue, ack => 'client-individual', 'prefetch-count' => 2, id => 1 });
    my ($first, $second) = (next_of($stomp), next_of($stomp));
    die 'a third one came' if $stomp->can_read({ timeout => 0.2 });
    $stomp->ack({ frame => $first });
    equal(next_of($stomp)->body, 'm3');
    $stomp->disconnect;
};

check 'what is rejected goes to the dead letter queue' => sub {
    my $stomp = connected();
    my ($queue, $dead) = (unique('net-stomp'), unique('dead'));
    $stomp->subscribe({ destination => "/queue/$dead", ack => 'auto', id => 'dead' });
    $stomp->subscribe({ destination => "/queue/$queue", ack => 'client', id => 'all',
        'x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => $dead });
    $stomp->send({ destination => "/queue/$queue", body => 'bad' });
    my $frame = next_of($stomp);
    equal($frame->headers->{subscription}, 'all');
    $stomp->nack({ frame => $frame, requeue => 'false' });
    my $letter = next_of($stomp);
    equal($letter->headers->{subscription} . ' ' . $letter->body, 'dead bad');
    $stomp->disconnect;
};

check 'it comes back after the gateway restarts' => sub {
    my $stomp = connected();
    my $queue = '/queue/' . unique('net-stomp');
    $stomp->send_with_receipt({ destination => $queue, body => 'before', persistent => 'true' });
    $stomp->subscribe({ destination => $queue, ack => 'client', id => 1 });
    equal(next_of($stomp)->body, 'before');
    restart();
    my $again;    # an ERROR may say first that it goes
    do { $again = $stomp->receive_frame({ timeout => $FEW }) } until $again && $again->command eq 'MESSAGE';
    equal($again->body . ' ' . $again->headers->{redelivered}, 'before true');
    $stomp->ack({ frame => $again });
    $stomp->send({ destination => $queue, body => 'after', persistent => 'true' });
    equal(next_of($stomp)->body, 'after');
    $stomp->disconnect;
} if $ENV{GATEWAY_RESTART};

run_checks('net_stomp');
