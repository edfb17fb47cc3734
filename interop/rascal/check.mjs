// rascal, unmodified: its configuration declares, its broker publishes, subscribes and recovers.
import { once } from 'node:events';
import rascal from 'rascal';
import { amqpUrl, assert, canRestart, check, checkWith, Inbox, restartGateway, run, tlsOptions, unique } from '../checks.mjs';

const PREFETCH = 5;
const WAIT_MS = 200;

// A service with a queue of its own, where its dead letters go, and one in which failed ones wait.
function configOf(service) {
  const exchange = (stem) => `${service}-${stem}`;
  return rascal.withDefaultConfig({
    vhosts: {
      '/': {
        connection: { url: amqpUrl, socketOptions: tlsOptions, retry: { min: 100, max: 500 } },
        exchanges: [exchange('events'), exchange('wait'), exchange('retry'), exchange('dead')],
        queues: {
          [service]: { options: { arguments: { 'x-dead-letter-exchange': exchange('dead') } } },
          [`${service}-waiting`]: {
            options: { arguments: { 'x-message-ttl': WAIT_MS, 'x-dead-letter-exchange': exchange('retry') } },
          },
          [`${service}-dead`]: {},
        },
        bindings: [
          `${exchange('events')}[user.#] -> ${service}`,
          `${exchange('wait')}[later] -> ${service}-waiting`,
          `${exchange('retry')}[${service}.#] -> ${service}`,
          `${exchange('dead')}[#] -> ${service}-dead`,
        ],
        publications: {
          event: { exchange: exchange('events'), routingKey: 'user.created', confirm: true },
          later: { exchange: exchange('wait'), options: { CC: ['later'] } },
        },
        subscriptions: {
          work: { queue: service, prefetch: PREFETCH, retry: { min: 100, max: 500 } },
          dead: { queue: `${service}-dead` },
        },
      },
    },
  });
}

async function create() {
  const broker = await rascal.BrokerAsPromised.create(configOf(unique('rascal')));
  broker.on('error', () => {}); // a connection's end: it connects again
  return broker;
}

async function publish(broker, content) {
  const publication = await broker.publish('event', content);
  await once(publication, 'success');
}

async function subscribe(broker, name, onMessage) {
  const subscription = await broker.subscribe(name);
  subscription.on('message', onMessage).on('error', () => {});
}

check('publishes are confirmed', async () => {
  const broker = await create();
  await Promise.all(Array.from({ length: 100 }, (_, i) => publish(broker, { i })));
  await broker.nuke();
});

check('publishes consumes and acknowledges', async () => {
  const broker = await create();
  const inbox = new Inbox();
  await subscribe(broker, 'work', (message, content, ackOrNack) => inbox.push({ content, ackOrNack }));
  for (let i = 0; i < 30; i++) await publish(broker, { i });
  for (let i = 0; i < 30; i++) {
    const { content, ackOrNack } = await inbox.next();
    assert.ok(inbox.items.length < PREFETCH);
    assert.deepEqual(content, { i });
    ackOrNack();
  }
  await broker.nuke();
});

check('what is rejected goes to the dead letter queue', async () => {
  const broker = await create();
  const inbox = new Inbox();
  await subscribe(broker, 'work', (message, content, ackOrNack) => ackOrNack(new Error('bad'), { strategy: 'nack' }));
  await subscribe(broker, 'dead', (message, content, ackOrNack) => {
    ackOrNack();
    inbox.push({ content, headers: message.properties.headers });
  });
  await publish(broker, 'bad');
  const { content, headers } = await inbox.next();
  assert.equal(content, 'bad');
  assert.equal(headers['x-death'][0].reason, 'rejected');
  await broker.nuke();
});

check('a republished message tells its error', async () => {
  const broker = await create();
  const inbox = new Inbox();
  await subscribe(broker, 'work', (message, content, ackOrNack) => {
    if (message.properties.headers.rascal.recovery) {
      ackOrNack();
      inbox.push(message.properties.headers.rascal);
    } else ackOrNack(new Error('not yet'), { strategy: 'republish', attempts: 2 });
  });
  await publish(broker, 'once more');
  const { error, recovery } = await inbox.next();
  assert.equal(error.message, 'not yet');
  assert.deepEqual(Object.values(recovery), [{ republished: 1 }]);
  await broker.nuke();
});

// The key in CC leads it to where it waits, its own back to the queue where it failed.
check('failed messages wait and come again', async () => {
  const broker = await create();
  const inbox = new Inbox();
  const began = Date.now();
  await subscribe(broker, 'work', (message, content, ackOrNack) => {
    const deaths = message.properties.headers['x-death'];
    if (deaths) {
      ackOrNack();
      inbox.push({ content, deaths });
    } else ackOrNack(new Error('not yet'), { strategy: 'forward', publication: 'later', attempts: 3 });
  });
  await publish(broker, 'in a while');
  const { content, deaths } = await inbox.next();
  assert.equal(content, 'in a while');
  assert.equal(deaths[0].reason, 'expired');
  assert.ok(Date.now() - began >= WAIT_MS);
  await broker.nuke();
});

checkWith(canRestart, 'it comes back after the gateway restarts', async () => {
  const broker = await create();
  const inbox = new Inbox();
  await subscribe(broker, 'work', (message, content, ackOrNack) => {
    ackOrNack();
    inbox.push(content);
  });
  await publish(broker, 'before');
  assert.equal(await inbox.next(), 'before');
  await restartGateway();
  await publish(broker, 'after');
  assert.equal(await inbox.next(), 'after');
  await broker.nuke();
});

run('rascal');
