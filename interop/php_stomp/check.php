<?php
// The stomp extension as Debian packages it, unmodified.
require_once __DIR__ . '/../harness.php';

function connect(): Stomp
{
    $stomp = new Stomp('tcp://127.0.0.1:' . getenv('STOMP_PORT'), 'guest', 'guest', ['accept-version' => '1.2']);
    $stomp->setReadTimeout(20);
    return $stomp;
}

// The next message, which must come.
function next_of(Stomp $stomp): StompFrame
{
    return $stomp->readFrame() ?: throw new Exception('nothing came in time: ' . $stomp->error());
}

// A synchronous send asks for a receipt, and waits for it.
function confirm(Stomp $stomp, string $queue, string $body, array $headers = [])
{
    equal($stomp->send("/queue/$queue", $body, $headers + ['receipt' => unique('r')]), true);
}

run_checks('php-stomp', [
    'publishes are confirmed' => function () {
        $stomp = connect();
        $queue = unique('php-stomp');
        for ($i = 0; $i < 20; $i++) {
            confirm($stomp, $queue, "m$i", ['persistent' => 'true', 'n' => $i]);
        }
        $stomp->subscribe("/queue/$queue", ['id' => '1', 'ack' => 'client', 'prefetch-count' => '10']);
        for ($i = 0; $i < 20; $i++) {
            $frame = next_of($stomp);
            equal([$frame->body, $frame->headers['n']], ["m$i", (string)$i]);
            equal($stomp->ack($frame, ['id' => $frame->headers['ack']]), true);
        }
    },
    'transactions' => function () {
        $stomp = connect();
        $queue = unique('php-stomp');
        foreach (['dropped' => 'abort', 'kept' => 'commit'] as $body => $end) {
            $stomp->begin($body);
            $stomp->send("/queue/$queue", $body, ['transaction' => $body]);
            $stomp->$end($body);
        }
        $stomp->subscribe("/queue/$queue", ['id' => '1', 'ack' => 'client']);
        $frame = next_of($stomp);
        equal($frame->body, 'kept');
        $stomp->ack($frame, ['id' => $frame->headers['ack']]);
    },
    'a prefetch bounds what is out' => function () {
        $stomp = connect();
        $queue = unique('php-stomp');
        for ($i = 0; $i < 5; $i++) {
            confirm($stomp, $queue, "m$i");
        }
        $stomp->subscribe("/queue/$queue", ['id' => '1', 'ack' => 'client-individual', 'prefetch-count' => '2']);
        $first = next_of($stomp);
        equal(next_of($stomp)->body, 'm1');
        $stomp->setReadTimeout(0, 200000);
        equal($stomp->hasFrame(), false);
        $stomp->ack($first, ['id' => $first->headers['ack']]);
        $stomp->setReadTimeout(20);
        equal(next_of($stomp)->body, 'm2');
    },
    'it comes back after the gateway restarts' => getenv('GATEWAY_RESTART') ? function () {
        $stomp = connect();
        $queue = unique('php-stomp');
        confirm($stomp, $queue, 'before', ['persistent' => 'true']);
        $stomp->subscribe("/queue/$queue", ['id' => '1', 'ack' => 'client']);
        equal(next_of($stomp)->body, 'before');
        restart();
        $stomp = patiently(fn () => connect());
        $stomp->subscribe("/queue/$queue", ['id' => '1', 'ack' => 'client']);
        $again = next_of($stomp);
        equal([$again->body, $again->headers['redelivered']], ['before', 'true']);
        $stomp->ack($again, ['id' => $again->headers['ack']]);
        $stomp->send("/queue/$queue", 'after');
        equal(next_of($stomp)->body, 'after');
    } : null,
]);
