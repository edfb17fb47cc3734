import { Client } from '@stomp/stompjs';
import { TcpSocket } from '../stompjs/tcp.mjs';

const client = new Client({
  webSocketFactory: () => new TcpSocket(process.env.STOMP_PORT ?? 61613),
  forceBinaryWSFrames: true,
  connectHeaders: { login: 'guest', passcode: 'guest', 'cluster-id': 'billing' },
  onConnect: () => client.subscribe('/topic/orders.*', (m) =>
    console.log('billing got', m.headers.destination.split('/').pop(), m.body)),
});
client.activate();
