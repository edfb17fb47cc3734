// amqplib, unmodified.
import amqp from 'amqplib';
import { check, checkWith, Inbox, run, assert, unique, amqpUrl as url, amqpUrlOf, canRestart, own, restartGateway, tlsOptions } from '../checks.mjs';
import { receipted, stompClient } from '../stompjs/client.mjs';

check('publishes consumes and acknowledges', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue(unique('amqplib'), { durable: true });
  const inbox = new Inbox();
  await channel.prefetch(10);
  await channel.consume(queue, (m) => inbox.push(m));
  for (let i = 0; i < 100; i++) channel.sendToQueue(queue, Buffer.from(`m${i}`), { headers: { i } });
  for (let i = 0; i < 100; i++) {
    const message = await inbox.next();
    assert.equal(message.content.toString(), `m${i}`);
    assert.equal(message.properties.headers.i, i);
    channel.ack(message);
  }
  assert.equal((await channel.checkQueue(queue)).messageCount, 0);
  await channel.deleteQueue(queue);
  await connection.close();
});

check('publishes are confirmed', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createConfirmChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  for (let i = 0; i < 500; i++) channel.sendToQueue(queue, Buffer.from('x'), { persistent: true });
  await channel.waitForConfirms();
  assert.equal((await channel.purgeQueue(queue)).messageCount, 500);
  await connection.close();
});

check('unroutable ones return', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createConfirmChannel();
  const inbox = new Inbox();
  channel.on('return', (m) => inbox.push(m));
  channel.publish('amq.direct', unique('nowhere'), Buffer.from('back'), { mandatory: true });
  await channel.waitForConfirms();
  const returned = await inbox.next();
  assert.equal(returned.fields.replyText, 'NO_ROUTE');
  assert.equal(returned.content.toString(), 'back');
  await connection.close();
});

check('a question and its answer', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const answers = await channel.assertQueue('', { exclusive: true });
  const inbox = new Inbox();
  await channel.consume(queue, (m) => {
    channel.sendToQueue(m.properties.replyTo, Buffer.from(`re:${m.content}`),
      { correlationId: m.properties.correlationId });
    channel.ack(m);
  });
  await channel.consume(answers.queue, (m) => inbox.push(m), { noAck: true });
  channel.sendToQueue(queue, Buffer.from('?'), { replyTo: answers.queue, correlationId: '1' });
  const answer = await inbox.next();
  assert.equal(answer.content.toString(), 're:?');
  assert.equal(answer.properties.correlationId, '1');
  await connection.close();
});

check('a direct answer needs no queue', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createChannel();
  const service = await connection.createChannel();
  const { queue } = await service.assertQueue('', { exclusive: true });
  await service.consume(queue, (m) => service.sendToQueue(m.properties.replyTo,
    Buffer.from(`re:${m.content}`), { correlationId: m.properties.correlationId }), { noAck: true });
  const inbox = new Inbox();
  await channel.consume('amq.rabbitmq.reply-to', (m) => inbox.push(m), { noAck: true });
  channel.sendToQueue(queue, Buffer.from('?'), { replyTo: 'amq.rabbitmq.reply-to', correlationId: '1' });
  const answer = await inbox.next();
  assert.deepEqual([answer.content.toString(), answer.properties.correlationId], ['re:?', '1']);
  await connection.close();
});

check('copies go where its headers say', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createConfirmChannel();
  const queues = [];
  for (let i = 0; i < 3; i++) queues.push((await channel.assertQueue('', { exclusive: true })).queue);
  const [to, CC, BCC] = queues;
  channel.sendToQueue(to, Buffer.from('x'), { CC, BCC });
  await channel.waitForConfirms();
  for (const queue of queues) {
    const { content, properties } = await channel.get(queue, { noAck: true });
    assert.deepEqual([content.toString(), properties.headers], ['x', { CC: [CC] }]);
  }
  await connection.close();
});

check('delayed messages come when their time has come', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createChannel();
  const { exchange } = await channel.assertExchange(unique('later'), 'x-delayed-message',
    { arguments: { 'x-delayed-type': 'direct' } });
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, exchange, 'k');
  const inbox = new Inbox();
  await channel.consume(queue, (m) => inbox.push(m), { noAck: true });
  channel.publish(exchange, 'k', Buffer.from('later'), { headers: { 'x-delay': 800 } });
  channel.publish(exchange, 'k', Buffer.from('sooner'), { headers: { 'x-delay': 1 } });
  assert.equal((await inbox.next()).content.toString(), 'sooner');
  assert.equal((await inbox.next()).content.toString(), 'later');
  await channel.deleteExchange(exchange);
  await connection.close();
});

check('exchanges of every kind', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createConfirmChannel();
  for (const [kind, pattern, key, args] of [['direct', 'k', 'k', {}], ['fanout', '', 'any', {}],
    ['topic', 'a.#', 'a.b.c', {}], ['headers', '', '', { 'x-match': 'any', h: 'v' }]]) {
    const { exchange } = await channel.assertExchange(unique(kind), kind, { durable: false });
    const inner = await channel.assertExchange(unique('inner'), 'fanout', { autoDelete: true });
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindExchange(inner.exchange, exchange, pattern, args);
    await channel.bindQueue(queue, inner.exchange, '');
    channel.publish(exchange, key, Buffer.from(kind), { headers: { h: 'v' } });
    await channel.waitForConfirms();
    const message = await channel.get(queue, { noAck: true });
    assert.equal(message.content.toString(), kind);
    await channel.deleteExchange(exchange);
  }
  await connection.close();
});

check('an error is told and the connection goes on', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const bad = await connection.createChannel();
  bad.on('error', () => {});
  await assert.rejects(bad.checkQueue(unique('nothing')), /404/);
  const good = await connection.createChannel();
  await good.assertQueue('', { exclusive: true });
  await connection.close();
});

check("a consumer hears of its queue's end", async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const inbox = new Inbox();
  await channel.consume(queue, (m) => inbox.push(m));
  await channel.deleteQueue(queue);
  assert.equal(await inbox.next(), null);
  await connection.close();
});

check('a prefetch bounds what is out', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createConfirmChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const inbox = new Inbox();
  for (let i = 0; i < 5; i++) channel.sendToQueue(queue, Buffer.from(`m${i}`));
  await channel.waitForConfirms();
  await channel.prefetch(2);
  await channel.consume(queue, (m) => inbox.push(m));
  await inbox.next();
  const second = await inbox.next();
  assert.equal((await channel.checkQueue(queue)).messageCount, 3);
  channel.ack(second, true);
  assert.equal((await inbox.next()).content.toString(), 'm2');
  assert.equal((await inbox.next()).content.toString(), 'm3');
  await connection.close();
});

check('what is rejected goes to the dead letter queue', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createChannel();
  const dead = await channel.assertQueue('', { exclusive: true });
  const { queue } = await channel.assertQueue('', { exclusive: true, deadLetterExchange: '',
    deadLetterRoutingKey: dead.queue });
  const inbox = new Inbox();
  await channel.consume(queue, (m) => channel.reject(m, false));
  await channel.consume(dead.queue, (m) => inbox.push(m), { noAck: true });
  channel.sendToQueue(queue, Buffer.from('bad'));
  const message = await inbox.next();
  assert.equal(message.content.toString(), 'bad');
  assert.equal(message.properties.headers['x-death'][0].reason, 'rejected');
  await connection.close();
});

// This client leaves to its user to connect again, and tells when.
checkWith(canRestart, 'it comes back after the gateway restarts', async () => {
  let connection = await amqp.connect(url, tlsOptions);
  const over = new Promise((resolve) => connection.on('error', () => {}).on('close', resolve));
  let channel = await connection.createConfirmChannel();
  const { queue } = await channel.assertQueue(unique('amqplib'), { durable: true });
  channel.sendToQueue(queue, Buffer.from('before'), { persistent: true });
  await channel.waitForConfirms();
  await restartGateway();
  assert.equal((await over).code, 320);
  connection = await amqp.connect(url, tlsOptions);
  channel = await connection.createChannel();
  const message = await channel.get(queue);
  assert.equal(message.content.toString(), 'before');
  channel.ack(message);
  await channel.deleteQueue(queue);
  await connection.close();
});

check('a large body comes whole', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createConfirmChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const body = Buffer.alloc(5 << 20, 'abcdefg');
  channel.sendToQueue(queue, body);
  await channel.waitForConfirms();
  assert.ok(body.equals((await channel.get(queue, { noAck: true })).content));
  await connection.close();
});

check('a wrong password is refused', async () => {
  await assert.rejects(amqp.connect(url.replace('guest:guest', 'guest:wrong'), tlsOptions), /403|ACCESS/i);
});

checkWith(own, 'its own user comes into its own virtual host', async () => {
  const connection = await amqp.connect(amqpUrlOf(`${own.user}:${own.password}`, own.vhost), tlsOptions);
  const channel = await connection.createConfirmChannel();
  const { queue } = await channel.assertQueue(unique(own.user), { durable: true });
  channel.sendToQueue(queue, Buffer.from('own'));
  await channel.waitForConfirms();
  assert.equal((await channel.get(queue, { noAck: true })).content.toString(), 'own');
  await channel.deleteQueue(queue);
  await connection.close();
});

checkWith(own, 'what its user may not is refused', async () => {
  const login = `${own.user}:${own.password}`;
  await assert.rejects(amqp.connect(amqpUrlOf(login), tlsOptions), /530|ConnectionClose/);
  const connection = await amqp.connect(amqpUrlOf(login, own.vhost), tlsOptions);
  const channel = await connection.createChannel();
  channel.on('error', () => {});
  await assert.rejects(channel.assertQueue(unique('foreign')), /403/);
  await connection.close();
});

checkWith(tlsOptions?.cert, 'its certificate says who it is', async () => {
  const connection = await amqp.connect(url.replace('guest:guest@', ''),
    { ...tlsOptions, credentials: amqp.credentials.external() });
  const channel = await connection.createChannel();
  await channel.assertQueue('', { exclusive: true });
  await connection.close();
});

check('crosses to the other protocol and back', async () => {
  const connection = await amqp.connect(url, tlsOptions);
  const channel = await connection.createChannel();
  const name = unique('amqplib');
  await channel.assertQueue(name, { durable: true });
  const inbox = new Inbox();
  const { consumerTag } = await channel.consume(name, (m) => inbox.push(m), { noAck: true });
  const client = await stompClient();
  await receipted(client, (receipt) => client.publish({
    destination: `/queue/${name}`, body: 'from stompjs',
    headers: { receipt, persistent: 'true', 'correlation-id': 'c-2', 'content-type': 'text/x', own: 'h' },
  }));
  const message = await inbox.next();
  assert.equal(message.content.toString(), 'from stompjs');
  assert.equal(message.properties.correlationId, 'c-2');
  assert.equal(message.properties.contentType, 'text/x');
  assert.equal(message.properties.deliveryMode, 2);
  assert.equal(message.properties.headers.own, 'h');
  await channel.cancel(consumerTag);
  const back = new Inbox();
  await receipted(client, (receipt) =>
    client.subscribe(`/queue/${name}`, (m) => back.push(m), { receipt }));
  channel.sendToQueue(name, Buffer.from('from amqplib'), { messageId: 'm-1' });
  const frame = await back.next();
  assert.deepEqual([frame.body, frame.headers['amqp-message-id']], ['from amqplib', 'm-1']);
  await channel.deleteQueue(name);
  await client.deactivate();
  await connection.close();
});

await run('amqplib');
