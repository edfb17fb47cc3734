# Mojo::RabbitMQ::Client as Debian packages it, unmodified.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";
use Mojo::IOLoop;
use Mojo::Promise;
use Mojo::RabbitMQ::Client;
use harness;

my $URL = "amqp://guest:guest\@127.0.0.1:$ENV{AMQP_PORT}/";

# Waits for its end; gives what it has come to.
sub await {
    my ($promise) = @_;
    my (@got, $error);
    $promise->then(sub { @got = @_ }, sub { $error = $_[0] // 'it failed' })->wait;
    die ref $error ? $error->method_frame->reply_text : $error if defined $error;
    return wantarray ? @got : $got[0];
}

sub opened {
    my $client = Mojo::RabbitMQ::Client->new(url => $URL);
    my $promise = Mojo::Promise->new;
    $client->catch(sub { $promise->reject($_[1]) });
    $client->on(open => sub { $promise->resolve });
    $client->connect;
    await($promise);
    return ($client, await($client->acquire_channel_p));
}

# Messages as they come; next() waits.
package Inbox {
    sub new { return bless { came => [] } }

    sub next {
        my ($self) = @_;
        Mojo::IOLoop->one_tick until @{ $self->{came} };
        return shift @{ $self->{came} };
    }
}

sub consumed {
    my ($channel, $queue) = @_;
    my $inbox = Inbox->new;
    my $consumer = $channel->consume(queue => $queue, no_ack => 0);
    $consumer->on(message => sub { push @{ $inbox->{came} }, $_[1] });
    my $promise = Mojo::Promise->new;
    $consumer->on(success => sub { $promise->resolve });
    $consumer->deliver;
    await($promise);
    return $inbox;
}

sub publish {
    my ($channel, $queue, $body) = @_;
    await($channel->publish_p(exchange => '', routing_key => $queue, body => $body, header => { delivery_mode => 2 }));
}

sub body_of { return $_[0]{body}->payload }

check 'publishes consumes and acknowledges' => sub {
    my ($client, $channel) = opened();
    my $queue = unique('mojo');
    await($channel->declare_queue_p(queue => $queue, auto_delete => 1));
    $channel->qos(prefetch_count => 5)->deliver;
    my $inbox = consumed($channel, $queue);
    publish($channel, $queue, "m$_") for 1 .. 20;
    for my $i (1 .. 20) {
        my $message = $inbox->next;
        equal(body_of($message), "m$i");
        $channel->ack($message)->deliver;
    }
    $client->close;
};

check 'its publisher and consumer find each other' => sub {
    my ($client, $channel) = opened();
    my $name = unique('mojo');
    await($channel->declare_exchange_p(exchange => $name, type => 'direct', auto_delete => 1));
    await($channel->declare_queue_p(queue => $name, auto_delete => 1));
    await($channel->bind_queue_p(queue => $name, exchange => $name, routing_key => $name));
    my @got;
    my $consumer = Mojo::RabbitMQ::Client->consumer(url => "$URL?exchange=$name&queue=$name",
        defaults => { qos => { prefetch_count => 1 }, consumer => { no_ack => 0 } });
    $consumer->on(message => sub {
        my ($self, $message) = @_;
        push @got, body_of($message);
        $self->channel->ack($message)->deliver;
    });
    await($consumer->consume_p);
    my $publisher = Mojo::RabbitMQ::Client->publisher(url => "$URL?exchange=$name&routing_key=$name");
    await($publisher->publish_p("m$_")) for 1 .. 3;
    Mojo::IOLoop->one_tick until @got == 3;
    equal("@got", 'm1 m2 m3');
    $consumer->close;
    $client->close;
};

check 'it comes back after the gateway restarts' => sub {
    my ($client, $channel) = opened();
    my $queue = unique('mojo');
    await($channel->declare_queue_p(queue => $queue, durable => 1));
    publish($channel, $queue, 'before');
    equal(body_of(consumed($channel, $queue)->next), 'before');
    restart();
    my ($again, $channel_again) = opened();
    my $inbox = consumed($channel_again, $queue);
    my $message = $inbox->next;
    equal(body_of($message) . ' ' . $message->{deliver}->method_frame->redelivered, 'before 1');
    $channel_again->ack($message)->deliver;
    publish($channel_again, $queue, 'after');
    equal(body_of($inbox->next), 'after');
    $again->close;
} if $ENV{GATEWAY_RESTART};

run_checks('mojo_rabbitmq');
