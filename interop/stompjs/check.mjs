// @stomp/stompjs, unmodified, over TCP.
import { Versions } from '@stomp/stompjs';
import { check, checkWith, Inbox, run, assert, unique, amqpUrl, own, tlsOptions } from '../checks.mjs';
import { receipted, stompClient } from './client.mjs';
import amqp from 'amqplib';

check('every version of the protocol', async () => {
  for (const version of [Versions.V1_0, Versions.V1_1, Versions.V1_2]) {
    const client = await stompClient({ stompVersions: new Versions([version]) });
    assert.equal(client.connectedVersion, version);
    await client.deactivate();
  }
});

check('publishes consumes and acknowledges', async () => {
  const client = await stompClient();
  const queue = `/queue/${unique('stompjs')}`;
  const inbox = new Inbox();
  await receipted(client, (receipt) =>
    client.subscribe(queue, (m) => inbox.push(m), { ack: 'client-individual', receipt }));
  for (let i = 0; i < 50; i++) client.publish({ destination: queue, body: `m${i}`, headers: { n: `${i}` } });
  for (let i = 0; i < 50; i++) {
    const message = await inbox.next();
    assert.equal(message.body, `m${i}`);
    assert.equal(message.headers.n, `${i}`);
    message.ack();
  }
  await client.deactivate();
});

check('a nacked message comes again', async () => {
  const client = await stompClient();
  const queue = `/queue/${unique('stompjs')}`;
  const inbox = new Inbox();
  client.subscribe(queue, (m) => inbox.push(m), { ack: 'client-individual' });
  client.publish({ destination: queue, body: 'again' });
  (await inbox.next()).nack();
  const message = await inbox.next();
  assert.equal(message.headers.redelivered, 'true');
  message.ack();
  await client.deactivate();
});

check('binary bodies and escaped headers come back', async () => {
  const client = await stompClient();
  const queue = `/queue/${unique('stompjs')}`;
  const inbox = new Inbox();
  client.subscribe(queue, (m) => inbox.push(m));
  const binaryBody = new Uint8Array([0, 1, 2, 0, 255, 10, 0]);
  client.publish({ destination: queue, binaryBody, headers: { odd: 'a\\ b:c\nd' } });
  const message = await inbox.next();
  assert.deepEqual([...message.binaryBody], [...binaryBody]);
  assert.equal(message.headers.odd, 'a\\ b:c\nd');
  await client.deactivate();
});

check('transactions', async () => {
  const client = await stompClient();
  const queue = `/queue/${unique('stompjs')}`;
  const inbox = new Inbox();
  client.subscribe(queue, (m) => inbox.push(m));
  const dropped = client.begin();
  client.publish({ destination: queue, body: 'dropped', headers: { transaction: dropped.id } });
  dropped.abort();
  const kept = client.begin();
  client.publish({ destination: queue, body: 'kept', headers: { transaction: kept.id } });
  kept.commit();
  assert.equal((await inbox.next()).body, 'kept');
  await client.deactivate();
});

check('publishes are confirmed', async () => {
  const client = await stompClient();
  await receipted(client, (receipt) =>
    client.publish({ destination: '/topic/nobody', body: 'x', headers: { receipt } }));
  await client.deactivate();
});

check('heart beats keep an idle connection', async () => {
  const client = await stompClient({ heartbeatIncoming: 1000, heartbeatOutgoing: 1000 });
  let closed = false;
  client.onWebSocketClose = () => { closed = true; };
  await new Promise((resolve) => setTimeout(resolve, 3500));
  assert.equal(closed, false);
  await receipted(client, (receipt) =>
    client.publish({ destination: '/topic/nobody', headers: { receipt } }));
  await client.deactivate();
});

check('an error is told', async () => {
  let report;
  const reported = new Promise((resolve) => { report = resolve; });
  const client = await stompClient({ onStompError: (frame) => report(frame) });
  client.publish({ destination: '/garden/x', body: 'x' });
  assert.equal((await reported).headers.message, 'Unknown destination');
  client.forceDisconnect();
  await client.deactivate();
});

check('a wrong password is refused', async () => {
  await assert.rejects(stompClient({
    connectHeaders: { login: 'guest', passcode: 'wrong', host: '/' } }), /Access refused|Bad CONNECT/i);
});

const ofOwn = (vhost) => ({ connectHeaders: { login: own.user, passcode: own.password, host: vhost } });

checkWith(own, 'its own user comes into its own virtual host', async () => {
  const client = await stompClient(ofOwn(own.vhost));
  const queue = `/queue/${unique(own.user)}`;
  const inbox = new Inbox();
  client.subscribe(queue, (m) => inbox.push(m));
  client.publish({ destination: queue, body: 'own' });
  assert.equal((await inbox.next()).body, 'own');
  await client.deactivate();
});

checkWith(own, 'what its user may not is refused', async () => {
  await assert.rejects(stompClient(ofOwn('/')), /ERROR/);
  let report;
  const reported = new Promise((resolve) => { report = resolve; });
  const client = await stompClient({ ...ofOwn(own.vhost), onStompError: (frame) => report(frame) });
  client.subscribe(`/queue/${unique('foreign')}`, () => {});
  assert.equal((await reported).headers.message, 'access_refused');
  client.forceDisconnect();
  await client.deactivate();
});

checkWith(tlsOptions?.cert, 'its certificate says who it is', async () => {
  const client = await stompClient({ connectHeaders: { host: '/' } });
  const queue = `/queue/${unique('stompjs')}`;
  const inbox = new Inbox();
  client.subscribe(queue, (m) => inbox.push(m));
  client.publish({ destination: queue, body: 'mine' });
  assert.equal((await inbox.next()).body, 'mine');
  await client.deactivate();
});

check('a question and its answer', async () => {
  let answered;
  const answer = new Promise((resolve) => { answered = resolve; });
  const asker = await stompClient({ onUnhandledMessage: (m) => answered(m) });
  const service = await stompClient();
  const queue = `/queue/${unique('stompjs')}`;
  service.subscribe(queue, (m) => service.publish({ destination: m.headers['reply-to'],
    body: `re:${m.body}`, headers: { 'correlation-id': m.headers['correlation-id'] } }));
  asker.publish({ destination: queue, body: '?',
    headers: { 'reply-to': '/temp-queue/answers', 'correlation-id': '7' } });
  const { body, headers } = await answer;
  assert.deepEqual([body, headers['correlation-id'], headers.subscription],
    ['re:?', '7', '/temp-queue/answers']);
  await asker.deactivate();
  await service.deactivate();
});

check('crosses to the other protocol and back', async () => {
  const client = await stompClient();
  const topic = unique('stompjs');
  const inbox = new Inbox();
  await receipted(client, (receipt) =>
    client.subscribe(`/topic/${topic}.*`, (m) => inbox.push(m), { receipt }));
  const connection = await amqp.connect(amqpUrl, tlsOptions);
  const channel = await connection.createChannel();
  channel.publish('amq.topic', `${topic}.x`, Buffer.from('from amqplib'),
    { correlationId: 'c-1', headers: { own: 'header', number: 5 } });
  const message = await inbox.next();
  assert.equal(message.body, 'from amqplib');
  assert.equal(message.headers['correlation-id'], 'c-1');
  assert.equal(message.headers.own, 'header');
  assert.equal(message.headers.number, '5');
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await receipted(client, (receipt) => client.publish({
    destination: `/amq/queue/${queue}`, body: 'from stompjs', headers: { receipt, own: 'h' } }));
  const back = await channel.get(queue, { noAck: true });
  assert.deepEqual([back.content.toString(), back.properties.headers.own], ['from stompjs', 'h']);
  await connection.close();
  await client.deactivate();
});

await run('stompjs');
