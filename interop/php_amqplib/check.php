<?php
// php-amqplib as Debian packages it, unmodified.
require_once 'PhpAmqpLib/autoload.php';
require_once __DIR__ . '/../harness.php';

use PhpAmqpLib\Connection\AMQPConnectionConfig;
use PhpAmqpLib\Connection\AMQPConnectionFactory;
use PhpAmqpLib\Connection\AMQPSSLConnection;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

// A user that may enter one virtual host alone, and there what begins with its name.
$own = getenv('LOGIN_USER') ?: null;

function connect(string $user = 'guest', string $password = 'guest', string $vhost = '/')
{
    $port = (int)getenv('AMQP_PORT');
    if (!getenv('TLS_CA')) {
        return new AMQPStreamConnection('127.0.0.1', $port, $user, $password, $vhost);
    }
    $options = ['cafile' => getenv('TLS_CA'), 'verify_peer' => true];
    if (getenv('TLS_CERT')) {
        $options += ['local_cert' => getenv('TLS_CERT'), 'local_pk' => getenv('TLS_KEY')];
    }
    return new AMQPSSLConnection('127.0.0.1', $port, $user, $password, $vhost, $options);
}

function connect_own(string $vhost)
{
    return connect(getenv('LOGIN_USER'), getenv('LOGIN_PASSWORD'), $vhost);
}

// By its certificate alone.
function connect_external()
{
    $config = new AMQPConnectionConfig();
    $config->setHost('127.0.0.1');
    $config->setPort((int)getenv('AMQP_PORT'));
    $config->setUser('');
    $config->setPassword('');
    $config->setLoginMethod(AMQPConnectionConfig::AUTH_EXTERNAL);
    $config->setIsSecure(true);
    $config->setNetworkProtocol('ssl');
    $config->setSslCaCert(getenv('TLS_CA'));
    $config->setSslCert(getenv('TLS_CERT'));
    $config->setSslKey(getenv('TLS_KEY'));
    return AMQPConnectionFactory::create($config);
}

// What must fail, with this code unless it is null.
function refused(?int $code, callable $body)
{
    try {
        $body();
    } catch (Exception $e) {
        equal($code ?? $e->getCode(), $e->getCode());
        return;
    }
    throw new Error('it was not refused');
}

// Waits until so many have come.
function wait_for($channel, array &$got, int $count)
{
    while (count($got) < $count) {
        $channel->wait(null, false, 20);
    }
}

$checks = [
    'publishes consumes and acknowledges' => function () {
        $connection = connect();
        $channel = $connection->channel();
        [$queue] = $channel->queue_declare('', false, false, true);
        $got = [];
        $channel->basic_consume($queue, '', false, false, false, false, function ($m) use (&$got) {
            $got[] = $m->body;
            $m->ack();
        });
        for ($i = 0; $i < 10; $i++) {
            $channel->basic_publish(new AMQPMessage("m$i"), '', $queue);
        }
        wait_for($channel, $got, 10);
        equal($got, array_map(fn ($i) => "m$i", range(0, 9)));
        $connection->close();
    },
    'publishes are confirmed' => function () {
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
    'a nacked message comes again' => function () {
        $connection = connect();
        $channel = $connection->channel();
        [$queue] = $channel->queue_declare('', false, false, true);
        $channel->basic_publish(new AMQPMessage('again'), '', $queue);
        $channel->basic_get($queue)->nack(true);
        $message = $channel->basic_get($queue);
        equal([$message->isRedelivered(), $message->body], [true, 'again']);
        $connection->close();
    },
    'a large body comes whole' => function () {
        $connection = connect();
        $channel = $connection->channel();
        [$queue] = $channel->queue_declare('', false, false, true);
        $got = [];
        $channel->basic_consume($queue, '', false, true, false, false, function ($m) use (&$got) {
            $got[] = $m->body;
        });
        $large = str_repeat('x', 1000000);
        $channel->basic_publish(new AMQPMessage($large), '', $queue);
        wait_for($channel, $got, 1);
        equal($got[0] === $large, true);
        $connection->close();
    },
    'a prefetch bounds what is out' => function () {
        $connection = connect();
        $channel = $connection->channel();
        $channel->basic_qos(0, 2, false);
        [$queue] = $channel->queue_declare('', false, false, true);
        for ($i = 0; $i < 5; $i++) {
            $channel->basic_publish(new AMQPMessage("m$i"), '', $queue);
        }
        $got = [];
        $channel->basic_consume($queue, '', false, false, false, false, function ($m) use (&$got) {
            $got[] = $m;
        });
        wait_for($channel, $got, 2);
        equal($channel->queue_declare($queue, true)[1], 3);
        equal(count($got), 2);
        $got[0]->ack();
        wait_for($channel, $got, 3);
        equal($got[2]->body, 'm2');
        $connection->close();
    },
    'what is rejected goes to the dead letter queue' => function () {
        $connection = connect();
        $channel = $connection->channel();
        [$dead] = $channel->queue_declare('', false, false, true);
        [$queue] = $channel->queue_declare('', false, false, true, true, false, new AMQPTable([
            'x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => $dead]));
        $got = [];
        $channel->basic_consume($dead, '', false, true, false, false, function ($m) use (&$got) {
            $got[] = $m;
        });
        $channel->basic_publish(new AMQPMessage('bad'), '', $queue);
        $channel->basic_get($queue)->nack();
        wait_for($channel, $got, 1);
        $death = $got[0]->get('application_headers')->getNativeData()['x-death'][0];
        equal([$got[0]->body, $death['reason'], $death['queue']], ['bad', 'rejected', $queue]);
        $connection->close();
    },
    // This client leaves to its user to connect again.
    'it comes back after the gateway restarts' => getenv('GATEWAY_RESTART') ? function () {
        $connection = connect();
        $channel = $connection->channel();
        $channel->confirm_select();
        $queue = unique('php');
        $channel->queue_declare($queue, false, true, false, false);
        $channel->basic_publish(new AMQPMessage('before', ['delivery_mode' => 2]), '', $queue);
        $channel->wait_for_pending_acks(20);
        restart();
        refused(null, fn () => $channel->queue_declare($queue, true));
        $connection = connect();
        $channel = $connection->channel();
        $message = $channel->basic_get($queue);
        equal($message->body, 'before');
        $message->ack();
        $channel->queue_delete($queue);
        $connection->close();
    } : null,
    'an error is told and the connection goes on' => function () {
        $connection = connect();
        refused(404, fn () => $connection->channel()->queue_declare('php-nothing', true));
        $connection->channel()->queue_declare('', false, false, true);
        $connection->close();
    },
    'a wrong password is refused' => function () {
        refused(null, fn () => connect('guest', 'wrong'));
    },
    'its own user comes into its own virtual host' => $own ? function () use ($own) {
        $connection = connect_own(getenv('LOGIN_VHOST'));
        $channel = $connection->channel();
        $queue = "$own-php-" . getmypid();
        $channel->queue_declare($queue, false, true, false, false);
        $channel->basic_publish(new AMQPMessage('own'), '', $queue);
        equal($channel->basic_get($queue, true)->body, 'own');
        $channel->queue_delete($queue);
        $connection->close();
    } : null,
    'what its user may not is refused' => $own ? function () {
        refused(null, fn () => connect_own('/'));
        $connection = connect_own(getenv('LOGIN_VHOST'));
        refused(403, fn () => $connection->channel()->queue_declare('foreign'));
        $connection->close();
    } : null,
    'its certificate says who it is' => getenv('TLS_CERT') ? function () {
        $connection = connect_external();
        $connection->channel()->queue_declare('', false, false, true);
        $connection->close();
    } : null,
];

run_checks('php-amqplib', $checks);
