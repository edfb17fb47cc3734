// NestJS, unmodified: a service and its clients over the RabbitMQ transport of @nestjs/microservices.
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxyFactory, Ctx, EventPattern, MessagePattern, Payload, RmqRecordBuilder, Transport } from '@nestjs/microservices';
import { lastValueFrom, range, toArray } from 'rxjs';
import { amqpUrl, assert, canRestart, check, checkWith, Inbox, restartGateway, run, tlsOptions, unique } from '../checks.mjs';

const PREFETCH = 5;
const events = new Inbox(); // what the service was told
const failures = new Inbox(); // what came to its dead letter queue

class Service {
  add(numbers) {
    return numbers.reduce((sum, n) => sum + n, 0);
  }
  count(to) {
    return range(1, to);
  }
  fail() {
    throw new Error('it cannot be done');
  }
  told(text, context) {
    const { fields, properties } = context.getMessage();
    events.push({ text, headers: properties.headers, isAgain: fields.redelivered,
      ack: () => context.getChannelRef().ack(context.getMessage()) });
  }
  twice(text, context) {
    const channel = context.getChannelRef();
    if (context.getMessage().fields.redelivered) {
      channel.ack(context.getMessage());
      events.push({ text });
    } else channel.nack(context.getMessage(), false, true);
  }
  refuse(text, context) {
    context.getChannelRef().nack(context.getMessage(), false, false);
  }
}

class Graveyard {
  buried(text, context) {
    context.getChannelRef().ack(context.getMessage());
    failures.push({ text, headers: context.getMessage().properties.headers });
  }
}

// What a compiler makes of decorators.
function handles(kind, controller, method, pattern) {
  const of = Object.getOwnPropertyDescriptor(controller.prototype, method);
  kind(pattern)(controller.prototype, method, of);
  Payload()(controller.prototype, method, 0);
  Ctx()(controller.prototype, method, 1);
}

for (const name of ['add', 'count', 'fail']) handles(MessagePattern, Service, name, { cmd: name });
for (const name of ['told', 'twice', 'refuse']) handles(EventPattern, Service, name, `is.${name}`);
handles(EventPattern, Graveyard, 'buried', 'is.refuse');

function moduleOf(controller) {
  class Root {}
  Controller()(controller);
  Module({ controllers: [controller] })(Root);
  return Root;
}

const socketOptions = {
  reconnectTimeInSeconds: 0.2, heartbeatIntervalInSeconds: 10, connectionOptions: tlsOptions,
};

async function serve(module, queue, more) {
  const service = await NestFactory.createMicroservice(module, {
    logger: false,
    transport: Transport.RMQ,
    options: { urls: [amqpUrl], queue, socketOptions, ...more },
  });
  await service.listen();
  return service;
}

// A client of a service, with a queue of its own and one for its dead letters.
async function open(more = {}) {
  const queue = unique('nestjs');
  const queueOptions = { durable: true, deadLetterExchange: '', deadLetterRoutingKey: `${queue}-dead` };
  const graveyard = await serve(moduleOf(Graveyard), `${queue}-dead`, { noAck: false });
  const service = await serve(moduleOf(Service), queue, { queueOptions, prefetchCount: PREFETCH, ...more });
  const client = ClientProxyFactory.create({
    transport: Transport.RMQ,
    options: { urls: [amqpUrl], queue, queueOptions, socketOptions, persistent: true },
  });
  await client.connect();
  return {
    client,
    close: async () => {
      const channel = service.unwrap().createChannel();
      await channel.waitForConnect();
      await client.close();
      await channel.deleteQueue(queue);
      await channel.deleteQueue(`${queue}-dead`);
      await service.close();
      await graveyard.close();
    },
  };
}

check('a question and its answer', async () => {
  const { client, close } = await open();
  assert.equal(await lastValueFrom(client.send({ cmd: 'add' }, [1, 2, 3])), 6);
  const sums = Array.from({ length: 50 }, (_, i) => lastValueFrom(client.send({ cmd: 'add' }, [i, i])));
  assert.deepEqual(await Promise.all(sums), Array.from({ length: 50 }, (_, i) => 2 * i));
  await close();
});

check('a question and its many answers', async () => {
  const { client, close } = await open();
  assert.deepEqual(await lastValueFrom(client.send({ cmd: 'count' }, 20).pipe(toArray())),
    Array.from({ length: 20 }, (_, i) => i + 1));
  await close();
});

check('a question that fails says so', async () => {
  const { client, close } = await open();
  await assert.rejects(lastValueFrom(client.send({ cmd: 'fail' }, '')), (error) => error.status === 'error');
  await close();
});

check('publishes consumes and acknowledges', async () => {
  const { client, close } = await open({ noAck: false });
  for (let i = 0; i < 30; i++) await lastValueFrom(client.emit('is.told', `m${i}`)); // each is confirmed
  for (let i = 0; i < 30; i++) {
    const { text, ack } = await events.next();
    assert.ok(events.items.length < PREFETCH);
    assert.equal(text, `m${i}`);
    ack();
  }
  await close();
});

check('properties and headers come back', async () => {
  const { client, close } = await open({ noAck: false });
  const record = new RmqRecordBuilder('with them').setOptions({ headers: { 'x-version': '1.0.0' }, priority: 3 }).build();
  await lastValueFrom(client.emit('is.told', record));
  const { headers, ack } = await events.next();
  assert.equal(headers['x-version'], '1.0.0');
  ack();
  await close();
});

check('a nacked message comes again', async () => {
  const { client, close } = await open({ noAck: false });
  await lastValueFrom(client.emit('is.twice', 'again'));
  assert.equal((await events.next()).text, 'again');
  await close();
});

check('what is rejected goes to the dead letter queue', async () => {
  const { client, close } = await open({ noAck: false });
  await lastValueFrom(client.emit('is.refuse', 'bad'));
  const { text, headers } = await failures.next();
  assert.equal(text, 'bad');
  assert.equal(headers['x-death'][0].reason, 'rejected');
  await close();
});

checkWith(canRestart, 'it comes back after the gateway restarts', async () => {
  const { client, close } = await open({ noAck: false });
  await lastValueFrom(client.emit('is.told', 'before'));
  await events.next();
  await restartGateway();
  await client.channel.waitForConnect();
  const again = await events.next();
  assert.deepEqual([again.text, again.isAgain], ['before', true]);
  again.ack();
  await lastValueFrom(client.emit('is.told', 'after'));
  const after = await events.next();
  assert.equal(after.text, 'after');
  after.ack();
  await close();
});

run('nestjs');
