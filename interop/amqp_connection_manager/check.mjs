// amqp-connection-manager, unmodified, over amqplib.
import amqp from 'amqp-connection-manager';
import { amqpUrl, assert, canRestart, check, checkWith, Inbox, restartGateway, run, tlsOptions, unique } from '../checks.mjs';

const PREFETCH = 5;

function connect() {
  const connection = amqp.connect([amqpUrl], { reconnectTimeInSeconds: 0.2, connectionOptions: tlsOptions });
  connection.on('disconnect', () => {});
  return connection;
}

// A channel whose queue dead-letters into `${queue}-dead`; setup runs at every connect.
async function open(connection, queue, more = {}) {
  const channel = connection.createChannel({
    setup: async (c) => {
      await c.assertQueue(`${queue}-dead`, { durable: true });
      await c.assertQueue(queue, { durable: true, deadLetterExchange: '', deadLetterRoutingKey: `${queue}-dead` });
    },
    ...more,
  });
  channel.on('error', () => {});
  await channel.waitForConnect();
  return channel;
}

async function close(connection, channel, queue) {
  await channel.cancelAll(); // it would consume again what is deleted
  await channel.deleteQueue(queue);
  await channel.deleteQueue(`${queue}-dead`);
  await connection.close();
}

check('publishes are confirmed', async () => {
  const connection = connect();
  const queue = unique('manager');
  const channel = await open(connection, queue);
  await Promise.all(Array.from({ length: 200 }, (_, i) =>
    channel.sendToQueue(queue, Buffer.from(`m${i}`), { persistent: true })));
  assert.equal((await channel.checkQueue(queue)).messageCount, 200);
  await close(connection, channel, queue);
});

check('publishes consumes and acknowledges', async () => {
  const connection = connect();
  const queue = unique('manager');
  const channel = await open(connection, queue, { json: true });
  const inbox = new Inbox();
  await channel.consume(queue, (m) => inbox.push(m), { prefetch: PREFETCH });
  for (let i = 0; i < 50; i++) await channel.sendToQueue(queue, { i });
  for (let i = 0; i < 50; i++) {
    const message = await inbox.next();
    assert.ok(inbox.items.length < PREFETCH);
    assert.deepEqual(JSON.parse(message.content), { i });
    channel.ack(message);
  }
  assert.equal((await channel.checkQueue(queue)).messageCount, 0);
  await close(connection, channel, queue);
});

check('what is rejected goes to the dead letter queue', async () => {
  const connection = connect();
  const queue = unique('manager');
  const channel = await open(connection, queue);
  const inbox = new Inbox();
  await channel.consume(queue, (m) => channel.nack(m, false, false));
  await channel.consume(`${queue}-dead`, (m) => inbox.push(m));
  await channel.sendToQueue(queue, Buffer.from('bad'));
  const dead = await inbox.next();
  assert.equal(dead.content.toString(), 'bad');
  assert.equal(dead.properties.headers['x-death'][0].reason, 'rejected');
  channel.ack(dead);
  await close(connection, channel, queue);
});

checkWith(canRestart, 'it comes back after the gateway restarts', async () => {
  const connection = connect();
  const queue = unique('manager');
  const channel = await open(connection, queue);
  await channel.sendToQueue(queue, Buffer.from('before'), { persistent: true });
  const restarted = restartGateway();
  const meanwhile = [];
  for (let i = 0; i < 20; i++) meanwhile.push(channel.sendToQueue(queue, Buffer.from(`m${i}`), { persistent: true }));
  await Promise.all([restarted, ...meanwhile]);
  const inbox = new Inbox();
  await channel.consume(queue, (m) => inbox.push(m), { prefetch: PREFETCH });
  const missing = new Set(['before', ...Array.from({ length: 20 }, (_, i) => `m${i}`)]);
  while (missing.size) {
    const message = await inbox.next();
    missing.delete(message.content.toString());
    channel.ack(message);
  }
  await close(connection, channel, queue);
});

checkWith(canRestart, 'a consumer comes back after the gateway restarts', async () => {
  const connection = connect();
  const queue = unique('manager');
  const channel = await open(connection, queue);
  const inbox = new Inbox();
  await channel.consume(queue, (m) => inbox.push(m));
  await restartGateway();
  await channel.waitForConnect();
  await channel.sendToQueue(queue, Buffer.from('after'));
  const message = await inbox.next();
  assert.equal(message.content.toString(), 'after');
  channel.ack(message);
  await close(connection, channel, queue);
});

run('amqp-connection-manager');
