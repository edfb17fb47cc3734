<?php
// Symfony Messenger's AMQP transport as Debian packages it, unmodified: a bus, a worker with
// retries, and a failure transport.
require_once 'Symfony/Component/Messenger/autoload.php';
require_once 'Symfony/Component/Messenger/Bridge/Amqp/autoload.php';
require_once 'Symfony/Component/EventDispatcher/autoload.php';
require_once __DIR__ . '/../harness.php';

use Symfony\Component\EventDispatcher\EventDispatcher;
use Symfony\Component\Messenger\Bridge\Amqp\Transport\AmqpTransportFactory;
use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Event\WorkerRunningEvent;
use Symfony\Component\Messenger\EventListener\SendFailedMessageForRetryListener;
use Symfony\Component\Messenger\EventListener\SendFailedMessageToFailureTransportListener;
use Symfony\Component\Messenger\Handler\HandlersLocator;
use Symfony\Component\Messenger\MessageBus;
use Symfony\Component\Messenger\Middleware\HandleMessageMiddleware;
use Symfony\Component\Messenger\Retry\MultiplierRetryStrategy;
use Symfony\Component\Messenger\Stamp\DelayStamp;
use Symfony\Component\Messenger\Stamp\RedeliveryStamp;
use Symfony\Component\Messenger\Transport\Serialization\PhpSerializer;
use Symfony\Component\Messenger\Worker;

class Order
{
    public function __construct(public string $what)
    {
    }
}

// Found by the listeners under the transport's name.
class Container implements Psr\Container\ContainerInterface
{
    public function __construct(private array $things)
    {
    }

    public function get(string $id)
    {
        return $this->things[$id];
    }

    public function has(string $id): bool
    {
        return isset($this->things[$id]);
    }
}

function transport(string $name, array $options = [])
{
    $port = getenv('AMQP_PORT');
    return (new AmqpTransportFactory())->createTransport("amqp://guest:guest@127.0.0.1:$port/%2f/$name",
        $options + ['confirm_timeout' => 20, 'prefetch_count' => 5, 'read_timeout' => 20], new PhpSerializer());
}

// Runs a worker until it is done; the handler is given what each order says.
function work(object $transport, callable $handler, callable $is_done, ?object $failed = null)
{
    $dispatcher = new EventDispatcher();
    $bus = new MessageBus([new HandleMessageMiddleware(new HandlersLocator([
        Order::class => [fn (Order $order) => $handler($order->what)]]))]);
    $strategy = new MultiplierRetryStrategy(2, 100, 2);
    $dispatcher->addSubscriber(new SendFailedMessageForRetryListener(
        new Container(['orders' => $transport]), new Container(['orders' => $strategy])));
    if ($failed) {
        $dispatcher->addSubscriber(
            new SendFailedMessageToFailureTransportListener(new Container(['orders' => $failed])));
    }
    $deadline = microtime(true) + 20;
    $dispatcher->addListener(WorkerRunningEvent::class, function ($event) use ($is_done, $deadline) {
        if ($is_done() || microtime(true) > $deadline) {
            $event->getWorker()->stop();
        }
    });
    (new Worker(['orders' => $transport], $bus, $dispatcher))->run(['sleep' => 10000]);
    equal($is_done(), true);
}

function send(object $transport, string $what, ...$stamps)
{
    $transport->send(new Envelope(new Order($what), $stamps));
}

run_checks('symfony-messenger', [
    'publishes consumes and acknowledges' => function () {
        $transport = transport(unique('orders'));
        $got = [];
        foreach (['a', 'b', 'c'] as $what) {
            send($transport, $what);
        }
        work($transport, function ($what) use (&$got) {
            $got[] = $what;
        }, function () use (&$got) {
            return $got === ['a', 'b', 'c'];
        });
        equal($transport->getMessageCount(), 0);
    },
    'a message waits for its time' => function () {
        $transport = transport(unique('orders'));
        $came = 0;
        $due = microtime(true) + 0.5;
        send($transport, 'late', new DelayStamp(500));
        work($transport, function () use (&$came) {
            $came = microtime(true);
        }, function () use (&$came) {
            return $came > 0;
        });
        equal($came >= $due, true);
    },
    'what fails is tried again and then goes to the dead letter queue' => function () {
        $name = unique('orders');
        $transport = transport($name);
        $failed = transport("$name-failed");
        $tries = 0;
        send($transport, 'bad');
        work($transport, function () use (&$tries) {
            $tries++;
            throw new Exception('cannot be done');
        }, fn () => $failed->getMessageCount() === 1, $failed);
        equal($tries, 3);
        foreach ($failed->get() as $envelope) {
            equal([$envelope->getMessage()->what, $envelope->last(RedeliveryStamp::class) !== null], ['bad', true]);
            $failed->ack($envelope);
        }
    },
    'the more urgent comes first' => function () {
        $name = unique('orders');
        $transport = transport($name, ['queues' => [$name => ['arguments' => ['x-max-priority' => 9]]]]);
        foreach ([1, 9, 5] as $priority) {
            send($transport, "$priority", new Symfony\Component\Messenger\Bridge\Amqp\Transport\AmqpStamp(
                null, AMQP_NOPARAM, ['priority' => $priority]));
        }
        $got = [];
        work($transport, function ($what) use (&$got) {
            $got[] = $what;
        }, function () use (&$got) {
            return count($got) === 3;
        });
        equal($got, ['9', '5', '1']);
    },
    'it comes back after the gateway restarts' => getenv('GATEWAY_RESTART') ? function () {
        $transport = transport(unique('orders'));
        send($transport, 'before');
        foreach ($transport->get() as $envelope) {
            equal($envelope->getMessage()->what, 'before');
        }
        restart();
        patiently(fn () => send($transport, 'after'));
        $got = [];
        $handler = function ($what) use (&$got) {
            $got[] = $what;
        };
        work($transport, $handler, function () use (&$got) {
            return array_intersect(['before', 'after'], $got) === ['before', 'after'];
        });
    } : null,
]);
