# AnyEvent::RabbitMQ as Debian packages it, unmodified.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";
use AnyEvent;
use AnyEvent::RabbitMQ;
use harness;

# Does one thing with callbacks, and waits for its end.
sub await {
    my ($thing, $method, %arguments) = @_;
    my $end = AnyEvent->condvar;
    $thing->$method(%arguments, on_success => sub { $end->send(@_) },
        on_failure => sub { $end->croak("$method: " . reason_of(@_)) });
    return $end->recv;
}

sub reason_of {
    return $_[0]->method_frame->reply_text if ref $_[0] && $_[0]->can('method_frame');
    return ref $_[0] ? $_[2] : $_[0];    # of a connection: its handle, whether it ends, why
}

sub connected {
    my $rabbit = AnyEvent::RabbitMQ->new->load_xml_spec;
    return await($rabbit, 'connect', host => '127.0.0.1', port => $ENV{AMQP_PORT}, user => 'guest',
        pass => 'guest', vhost => '/', timeout => 20, on_close => sub { }, on_read_failure => sub { }, @_);
}

sub opened {
    my ($rabbit) = @_;
    return await($rabbit, 'open_channel', on_close => sub { });
}

sub declared {
    my ($channel, %arguments) = @_;
    return await($channel, 'declare_queue', %arguments)->method_frame->queue;
}

# Publishes, and comes back when that is confirmed.
sub confirmed {
    my ($channel, $queue, $body) = @_;
    my $end = AnyEvent->condvar;
    $channel->publish(exchange => '', routing_key => $queue, body => $body, header => { delivery_mode => 2 },
        on_ack => sub { $end->send }, on_nack => sub { $end->croak('not confirmed') });
    $end->recv;
}

# Messages as they come: a condvar for each.
package Inbox {
    sub new { return bless { came => [], wanted => [] } }

    sub push {
        my ($self, $message) = @_;
        my $wanted = shift @{ $self->{wanted} };
        $wanted ? $wanted->send($message) : CORE::push @{ $self->{came} }, $message;
    }

    sub next {
        my ($self) = @_;
        return shift @{ $self->{came} } if @{ $self->{came} };
        CORE::push @{ $self->{wanted} }, my $wanted = AnyEvent->condvar;
        return $wanted->recv;
    }
}

sub consumed {
    my ($channel, $queue) = @_;
    my $inbox = Inbox->new;
    await($channel, 'consume', queue => $queue, no_ack => 0, on_consume => sub { $inbox->push($_[0]) });
    return $inbox;
}

sub body_of { return $_[0]{body}->payload }
sub tag_of { return $_[0]{deliver}->method_frame->delivery_tag }

check 'publishes are confirmed' => sub {
    my $channel = opened(my $rabbit = connected());
    await($channel, 'confirm');
    my $queue = declared($channel, queue => '', exclusive => 1);
    confirmed($channel, $queue, "m$_") for 1 .. 20;
    await($channel, 'qos', prefetch_count => 10);
    my $inbox = consumed($channel, $queue);
    for my $i (1 .. 20) {
        my $message = $inbox->next;
        equal(body_of($message), "m$i");
        $channel->ack(delivery_tag => tag_of($message));
    }
    await($rabbit, 'close');
};

check 'exchanges of every kind' => sub {
    my $channel = opened(my $rabbit = connected());
    await($channel, 'confirm');
    for my $kind (qw(direct fanout topic headers)) {
        my $exchange = unique($kind);
        await($channel, 'declare_exchange', exchange => $exchange, type => $kind);
        my $queue = declared($channel, queue => '', exclusive => 1);
        await($channel, 'bind_queue', queue => $queue, exchange => $exchange, routing_key => $kind);
        my $end = AnyEvent->condvar;
        $channel->publish(exchange => $exchange, routing_key => $kind, body => $kind, on_ack => sub { $end->send });
        $end->recv;
        equal(body_of(await($channel, 'get', queue => $queue)), $kind);
        await($channel, 'delete_exchange', exchange => $exchange);
    }
    await($rabbit, 'close');
};

check 'unroutable ones return' => sub {
    my $channel = opened(my $rabbit = connected());
    await($channel, 'confirm');
    my $end = AnyEvent->condvar;
    $channel->publish(exchange => '', routing_key => unique('nowhere'), body => 'x', mandatory => 1,
        on_return => sub { $end->send($_[0]->method_frame->reply_code) });
    equal($end->recv, 312);
    await($rabbit, 'close');
};

check 'what is rejected goes to the dead letter queue' => sub {
    my $channel = opened(my $rabbit = connected());
    await($channel, 'confirm');
    my $dead = declared($channel, queue => '', exclusive => 1);
    my $queue = declared($channel, queue => '', exclusive => 1, arguments => {
        'x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => $dead });
    my $inbox = consumed($channel, $queue);
    confirmed($channel, $queue, 'bad');
    $channel->reject(delivery_tag => tag_of($inbox->next), requeue => 0);
    # Net::AMQP cannot read the 64 bit count of x-death, so the letter itself is left alone.
    my $count = 0;
    $count = await($channel, 'declare_queue', queue => $dead, passive => 1)->method_frame->message_count until $count;
    equal($count, 1);
    await($rabbit, 'close');
};

check 'it comes back after the gateway restarts' => sub {
    my $name = unique('anyevent');
    my $gone = AnyEvent->condvar;
    my $channel = opened(my $rabbit = connected(on_close => sub { $gone->send }, on_read_failure => sub { $gone->send }));
    await($channel, 'confirm');
    declared($channel, queue => $name, durable => 1);
    confirmed($channel, $name, 'before');
    equal(body_of(consumed($channel, $name)->next), 'before');
    restart();
    $gone->recv;
    $channel = opened($rabbit = connected());
    await($channel, 'confirm');
    my $inbox = consumed($channel, $name);
    my $again = $inbox->next;
    equal(body_of($again) . ' ' . $again->{deliver}->method_frame->redelivered, 'before 1');
    $channel->ack(delivery_tag => tag_of($again));
    confirmed($channel, $name, 'after');
    my $after = $inbox->next;
    equal(body_of($after), 'after');
    $channel->ack(delivery_tag => tag_of($after));
    await($rabbit, 'close');
} if $ENV{GATEWAY_RESTART};

run_checks('anyevent_rabbitmq');
