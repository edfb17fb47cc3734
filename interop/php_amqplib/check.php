<?php
// php-amqplib as Debian packages it, unmodified.
require_once 'PhpAmqpLib/autoload.php';

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

function equal($got, $wanted)
{
    if ($got !== $wanted) {
        throw new Exception('got ' . var_export($got, true) . ', wanted ' . var_export($wanted, true));
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
        while (count($got) < 10) {
            $channel->wait(null, false, 20);
        }
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
        while (!$got) {
            $channel->wait(null, false, 20);
        }
        equal($got[0] === $large, true);
        $connection->close();
    },
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

$passed = $failed = 0;
foreach (array_filter($checks) as $name => $body) {
    try {
        $body();
        $passed++;
        echo "  ok php-amqplib: $name\n";
    } catch (Throwable $e) {
        $failed++;
        echo "  FAILED php-amqplib: $name\n    " . get_class($e) . ': ' . $e->getMessage() . "\n";
    }
}
echo "$passed passed, $failed failed, 0 skipped\n";
exit($failed ? 1 : 0);
