<?php
require_once "PhpAmqpLib/autoload.php";

$connection = new PhpAmqpLib\Connection\AMQPStreamConnection("127.0.0.1", getenv("AMQP_PORT") ?: 5672, "guest", "guest");
$channel = $connection->channel();
$channel->basic_consume("/topic/orders.*@billing", "", false, true, false, false, function ($m) {
    echo "billing got {$m->delivery_info['routing_key']} {$m->body}\n";
});
while (true)
    $channel->wait();
