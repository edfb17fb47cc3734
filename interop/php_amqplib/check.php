<?php
// php-amqplib as Debian packages it, unmodified.
require_once 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Connection\AMQPSSLConnection;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

function connect(string $password = 'guest')
{
    $port = (int)getenv('AMQP_PORT');
    if (!getenv('TLS_CA')) {
        return new AMQPStreamConnection('127.0.0.1', $port, 'guest', $password);
    }
    $options = ['cafile' => getenv('TLS_CA'), 'verify_peer' => true];
    if (getenv('TLS_CERT')) {
        $options += ['local_cert' => getenv('TLS_CERT'), 'local_pk' => getenv('TLS_KEY')];
    }
    return new AMQPSSLConnection('127.0.0.1', $port, 'guest', $password, '/', $options);
}

function equal($got, $wanted)
{
    if ($got !== $wanted) {
        throw new Exception('got ' . var_export($got, true) . ', wanted ' . var_export($wanted, true));
    }
}

$checks = [
    'publishes with confirms, gets and acknowledges' => function () {
        $connection = connect();
        $channel = $connection->channel();
        $channel->confirm_select();
        $queue = 'php-' . getmypid();
        $channel->queue_declare($queue, false, true, false, false);
        for ($i = 0; $i < 20; $i++) {
            $channel->basic_publish(new AMQPMessage("m$i", ['delivery_mode' => 2,
                'application_headers' => new AMQPTable(['n' => $i])]), '', $queue);
        }
        $channel->wait_for_pending_acks(20);
        for ($i = 0; $i < 20; $i++) {
            $message = $channel->basic_get($queue);
            equal($message->body, "m$i");
            equal($message->get('application_headers')->getNativeData()['n'], $i);
            $channel->basic_ack($message->getDeliveryTag());
        }
        equal($channel->queue_declare($queue, true)[1], 0);
        $channel->queue_delete($queue);
        $connection->close();
    },
    'consumes what it is sent' => function () {
        $connection = connect();
        $channel = $connection->channel();
        [$queue] = $channel->queue_declare('', false, false, true);
        $got = [];
        $channel->basic_consume($queue, '', false, true, false, false, function ($m) use (&$got) {
            $got[] = $m->body;
        });
        $large = str_repeat('x', 1000000);
        $channel->basic_publish(new AMQPMessage($large), '', $queue);
        while (!$got) {
            $channel->wait(null, false, 20);
        }
        equal($got[0] === $large, true);
        $connection->close();
    },
    'hears of a channel error and goes on' => function () {
        $connection = connect();
        try {
            $connection->channel()->queue_declare('php-nothing', true);
            throw new Exception('no error came');
        } catch (AMQPProtocolChannelException $e) {
            equal($e->getCode(), 404);
        }
        $connection->channel()->queue_declare('', false, false, true);
        $connection->close();
    },
    'is refused with a wrong password' => function () {
        try {
            connect('wrong');
        } catch (Exception $e) {
            return;
        }
        throw new Exception('it was let in');
    },
];

$passed = $failed = 0;
foreach ($checks as $name => $body) {
    try {
        $body();
        $passed++;
    } catch (Throwable $e) {
        $failed++;
        echo "  FAILED php-amqplib: $name\n    " . get_class($e) . ': ' . $e->getMessage() . "\n";
    }
}
echo "$passed passed, $failed failed, 0 skipped\n";
exit($failed ? 1 : 0);
