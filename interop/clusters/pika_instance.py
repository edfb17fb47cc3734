import os, pika

connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(os.environ.get("AMQP_PORT", 5672))))
for method, _, body in connection.channel().consume("/topic/orders.*@billing", auto_ack=True):
    print("billing got", method.routing_key, body.decode(), flush=True)
