<?php
// Named checks; prints one line per failure and a closing count.

function equal($got, $wanted)
{
    if ($got !== $wanted) {
        throw new Exception('got ' . var_export($got, true) . ', wanted ' . var_export($wanted, true));
    }
}

function unique(string $stem): string
{
    static $count = 0;
    return "$stem-" . getmypid() . '-' . ++$count;
}

// Comes back when the gateway is ready again, on its ports and with its data directory.
function restart()
{
    passthru(getenv('GATEWAY_RESTART'), $status);
    equal($status, 0);
}

// Tries until it goes, as a program does whose connection is gone.
function patiently(callable $body)
{
    for ($deadline = microtime(true) + 20; ; usleep(50000)) {
        try {
            return $body();
        } catch (Exception $e) {
            if (microtime(true) > $deadline) {
                throw $e;
            }
        }
    }
}

function run_checks(string $client, array $checks)
{
    $passed = $failed = 0;
    foreach (array_filter($checks) as $name => $body) {
        try {
            $body();
            $passed++;
            echo "  ok $client: $name\n";
        } catch (Throwable $e) {
            $failed++;
            echo "  FAILED $client: $name\n    " . get_class($e) . ': ' . $e->getMessage()
                . "\n    {$e->getFile()}:{$e->getLine()}\n";
        }
    }
    echo "$passed passed, $failed failed, 0 skipped\n";
    exit($failed ? 1 : 0);
}
