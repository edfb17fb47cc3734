// stompit, unmodified: its client, its channels and its transactions.
import tls from 'node:tls';
import stompit from 'stompit';
import { assert, canRestart, check, checkWith, Inbox, restartGateway, run, stompPort, tlsOptions, unique } from '../checks.mjs';

const options = {
  host: '127.0.0.1',
  port: stompPort,
  connectHeaders: { host: '/', login: 'guest', passcode: 'guest', 'heart-beat': '10000,10000' },
  ...(tlsOptions && { ...tlsOptions, connect: tls.connect }),
};

// Release 1.0.0 throws where no caller can catch it when an ERROR frame has a text, as the one has that says goodbye.
process.on('uncaughtException', (error) => {
  if (!error.isApplicationError?.()) throw error;
});

const asPromise = (body) => new Promise((resolve, reject) => {
  body((error, value) => (error ? reject(error) : resolve(value)));
});

// Of the messages that callbacks give, with their text.
class Messages extends Inbox {
  callback = (error, message) => {
    if (error) this.push(error);
    else message.readString('utf-8', (trouble, text) => this.push(trouble ?? { message, text }));
  };
}

const open = () => asPromise((done) => stompit.connect(options, done));

function send(client, destination, text, headers = {}) {
  return asPromise((done) => client.sendString({ destination, ...headers }, text, { onReceipt: () => done(null) }));
}

check('publishes consumes and acknowledges', async () => {
  const client = await open();
  const destination = `/queue/${unique('stompit')}`;
  const inbox = new Messages();
  client.subscribe({ destination, ack: 'client-individual', 'prefetch-count': '2' }, inbox.callback);
  for (let i = 0; i < 50; i++) await send(client, destination, `m${i}`, { n: i });
  for (let i = 0; i < 50; i++) {
    const { message, text } = await inbox.next();
    assert.ok(inbox.items.length < 2);
    assert.deepEqual([text, message.headers.n], [`m${i}`, String(i)]);
    client.ack(message);
  }
  client.disconnect();
});

check('publishes are confirmed', async () => {
  const client = await open();
  const destination = `/queue/${unique('stompit')}`;
  await Promise.all(Array.from({ length: 100 }, (_, i) => send(client, destination, `m${i}`, { persistent: true })));
  client.disconnect();
});

check('a nacked message comes again', async () => {
  const client = await open();
  const destination = `/queue/${unique('stompit')}`;
  const inbox = new Messages();
  client.subscribe({ destination, ack: 'client-individual' }, inbox.callback);
  await send(client, destination, 'again');
  client.nack((await inbox.next()).message, { requeue: true });
  const { message, text } = await inbox.next();
  assert.deepEqual([text, message.headers.redelivered], ['again', 'true']);
  client.ack(message);
  client.disconnect();
});

check('what is rejected goes to the dead letter queue', async () => {
  const client = await open();
  const [queue, dead] = [unique('stompit'), unique('stompit-dead')];
  const [inbox, graves] = [new Messages(), new Messages()];
  client.subscribe({ destination: `/queue/${dead}`, ack: 'client-individual' }, graves.callback);
  client.subscribe({ destination: `/queue/${queue}`, ack: 'client-individual',
    'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead }, inbox.callback);
  await send(client, `/queue/${queue}`, 'bad');
  client.nack((await inbox.next()).message, { requeue: false });
  const { message, text } = await graves.next();
  assert.equal(text, 'bad');
  client.ack(message);
  client.disconnect();
});

check('a large body comes whole', async () => {
  const client = await open();
  const destination = `/queue/${unique('stompit')}`;
  const inbox = new Messages();
  client.subscribe({ destination, ack: 'auto' }, inbox.callback);
  const text = 'abcdefg'.repeat(200000);
  await send(client, destination, text, { 'content-length': text.length });
  assert.ok((await inbox.next()).text === text);
  client.disconnect();
});

check('transactions', async () => {
  const client = await open();
  const destination = `/queue/${unique('stompit')}`;
  const inbox = new Messages();
  client.subscribe({ destination, ack: 'auto' }, inbox.callback);
  for (const end of ['abort', 'commit']) {
    const transaction = client.begin();
    const frame = transaction.send({ destination });
    frame.end(end);
    await asPromise((done) => transaction[end]({ onReceipt: () => done(null) }));
  }
  assert.equal((await inbox.next()).text, 'commit');
  client.disconnect();
});

checkWith(canRestart, 'it comes back after the gateway restarts', async () => {
  const servers = new stompit.ConnectFailover([options], { initialReconnectDelay: 100, maxReconnectDelay: 500 });
  const channel = new stompit.Channel(servers, { alwaysConnected: true });
  const destination = `/queue/${unique('stompit')}`;
  const inbox = new Messages();
  channel.subscribe({ destination, ack: 'client-individual' }, inbox.callback);
  const publish = (text) => asPromise((done) => channel.send({ destination, persistent: true }, text, done));
  await publish('before');
  assert.equal((await inbox.next()).text, 'before');
  const restarted = restartGateway();
  await publish('meanwhile'); // sent again where no receipt came
  await restarted;
  await publish('after');
  const missing = new Set(['before', 'meanwhile', 'after']);
  while (missing.size) {
    const { message, text } = await inbox.next();
    missing.delete(text);
    channel.ack(message);
  }
  channel.close();
});

run('stompit');
