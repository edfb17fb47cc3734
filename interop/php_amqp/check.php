<?php
// The amqp extension as Debian packages it, unmodified.
require_once __DIR__ . '/../harness.php';

function connect(): AMQPConnection
{
    $options = ['host' => 'localhost', 'port' => (int)getenv('AMQP_PORT'), 'read_timeout' => 20,
        'rpc_timeout' => 20];
    if (getenv('TLS_CA')) {
        $options += ['cacert' => getenv('TLS_CA'), 'verify' => true];
    }
    if (getenv('TLS_CERT')) {
        $options += ['cert' => getenv('TLS_CERT'), 'key' => getenv('TLS_KEY')];
    }
    $connection = new AMQPConnection($options);
    $connection->connect();
    return $connection;
}

// A queue of this name with these arguments: of the connection alone unless it is durable.
function declare_queue(AMQPChannel $channel, string $name, array $arguments = [], int $flags = AMQP_EXCLUSIVE)
{
    $queue = new AMQPQueue($channel);
    $queue->setName($name);
    $queue->setFlags($flags);
    $queue->setArguments($arguments);
    $queue->declareQueue();
    return $queue;
}

function publish(AMQPChannel $channel, string $queue, string ...$bodies)
{
    $exchange = new AMQPExchange($channel);
    foreach ($bodies as $i => $body) {
        $exchange->publish($body, $queue, AMQP_MANDATORY, ['delivery_mode' => 2, 'headers' => ['n' => $i]]);
    }
}

// Publishes, and comes back when all of them are confirmed.
function confirm(AMQPChannel $channel, string $queue, string ...$bodies)
{
    $last = 0;
    $channel->confirmSelect();
    $channel->setConfirmCallback(
        function ($tag, $multiple) use (&$last, $bodies) {
            $last = max($last, $tag);
            return $last < count($bodies);
        },
        fn () => throw new Exception('it was not confirmed')
    );
    publish($channel, $queue, ...$bodies);
    $channel->waitForConfirm(20);
}

// Takes so many, acknowledges them, and gives their bodies.
function take(AMQPQueue $queue, int $count): array
{
    $got = [];
    $queue->consume(function ($envelope, $queue) use (&$got, $count) {
        $got[] = $envelope->getBody();
        $queue->ack($envelope->getDeliveryTag());
        return count($got) < $count;
    });
    $queue->cancel();
    return $got;
}

function numbered(int $count): array
{
    return array_map(fn ($i) => "m$i", range(0, $count - 1));
}

run_checks('php-amqp', [
    'publishes consumes and acknowledges' => function () {
        $channel = new AMQPChannel(connect());
        $channel->setPrefetchCount(10);
        $exchange = new AMQPExchange($channel);
        $exchange->setName(unique('php-amqp'));
        $exchange->setType(AMQP_EX_TYPE_TOPIC);
        $exchange->setFlags(AMQP_AUTODELETE);
        $exchange->declareExchange();
        $queue = declare_queue($channel, unique('php-amqp'));
        $queue->bind($exchange->getName(), 'orders.#');
        foreach (numbered(100) as $body) {
            $exchange->publish($body, 'orders.eu');
        }
        equal(take($queue, 100), numbered(100));
        equal($queue->declareQueue(), 0);
    },
    'publishes are confirmed' => function () {
        $channel = new AMQPChannel(connect());
        $queue = declare_queue($channel, unique('php-amqp'));
        confirm($channel, $queue->getName(), ...numbered(20));
        foreach (numbered(20) as $i => $body) {
            $envelope = $queue->get();
            equal([$envelope->getBody(), $envelope->getHeader('n')], [$body, $i]);
            $queue->ack($envelope->getDeliveryTag());
        }
    },
    'unroutable ones return' => function () {
        $channel = new AMQPChannel(connect());
        $returned = null;
        $channel->setReturnCallback(function ($code, $text, $exchange, $key) use (&$returned) {
            $returned = [$code, $key];
            return false;
        });
        $nowhere = unique('nowhere');
        publish($channel, $nowhere, 'x');
        $channel->waitForBasicReturn(20);
        equal($returned, [312, $nowhere]);
    },
    'a prefetch bounds what is out' => function () {
        $channel = new AMQPChannel(connect());
        $channel->setPrefetchCount(2);
        $queue = declare_queue($channel, unique('php-amqp'));
        confirm($channel, $queue->getName(), ...numbered(5));
        $tags = [];
        $queue->consume(function ($envelope) use (&$tags) {
            $tags[] = $envelope->getDeliveryTag();
            return count($tags) < 2;
        });
        equal($queue->declareQueue(), 3);
        $queue->ack($tags[1], AMQP_MULTIPLE);
        $queue->cancel();
    },
    'transactions' => function () {
        $channel = new AMQPChannel(connect());
        $queue = declare_queue($channel, unique('php-amqp'));
        $channel->startTransaction();
        publish($channel, $queue->getName(), 'dropped');
        $channel->rollbackTransaction();
        publish($channel, $queue->getName(), 'kept');
        $channel->commitTransaction();
        equal($queue->get(AMQP_AUTOACK)->getBody(), 'kept');
    },
    'a nacked message comes again' => function () {
        $channel = new AMQPChannel(connect());
        $queue = declare_queue($channel, unique('php-amqp'));
        confirm($channel, $queue->getName(), 'again');
        $queue->nack($queue->get()->getDeliveryTag(), AMQP_REQUEUE);
        $envelope = $queue->get(AMQP_AUTOACK);
        equal([$envelope->isRedelivery(), $envelope->getBody()], [true, 'again']);
    },
    'what is rejected goes to the dead letter queue' => function () {
        $channel = new AMQPChannel(connect());
        $dead = declare_queue($channel, unique('dead'));
        $queue = declare_queue($channel, unique('php-amqp'), [
            'x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => $dead->getName()]);
        confirm($channel, $queue->getName(), 'bad');
        $queue->reject($queue->get()->getDeliveryTag());
        $letter = patiently(fn () => $dead->get(AMQP_AUTOACK) ?: throw new Exception('no letter'));
        equal([$letter->getBody(), $letter->getHeader('x-death')[0]['reason']], ['bad', 'rejected']);
    },
    'it comes back after the gateway restarts' => getenv('GATEWAY_RESTART') ? function () {
        $connection = connect();
        $channel = new AMQPChannel($connection);
        $name = unique('php-amqp');
        $queue = declare_queue($channel, $name, [], AMQP_DURABLE);
        confirm($channel, $name, 'before');
        equal($queue->get()->getBody(), 'before');
        restart();
        patiently(fn () => $connection->reconnect());
        $channel = new AMQPChannel($connection);
        $queue = declare_queue($channel, $name, [], AMQP_DURABLE);
        $again = $queue->get(AMQP_AUTOACK);
        equal([$again->getBody(), $again->isRedelivery()], ['before', true]);
        confirm($channel, $name, 'after');
        equal(take($queue, 1), ['after']);
        $queue->delete();
    } : null,
]);
