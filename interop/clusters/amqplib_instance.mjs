import amqp from 'amqplib';

const connection = await amqp.connect(`amqp://guest:guest@127.0.0.1:${process.env.AMQP_PORT ?? 5672}`);
const channel = await connection.createChannel();
await channel.consume('/topic/orders.*@billing',
                      m => console.log('billing got', m.fields.routingKey, m.content.toString()), { noAck: true });
