// A connected stompjs client.
import { Client } from '@stomp/stompjs';
import { stompPort } from '../checks.mjs';
import { TcpSocket } from './tcp.mjs';

export function stompClient(options = {}) {
  return new Promise((resolve, reject) => {
    const client = new Client({
      webSocketFactory: () => new TcpSocket(stompPort),
      forceBinaryWSFrames: true,
      appendMissingNULLonIncoming: false,
      reconnectDelay: 0,
      heartbeatIncoming: 0,
      heartbeatOutgoing: 0,
      connectHeaders: { login: 'guest', passcode: 'guest', host: '/' },
      onConnect: (frame) => {
        client.connectedFrame = frame;
        resolve(client);
      },
      onStompError: (frame) => reject(new Error(`ERROR ${frame.headers.message}: ${frame.body}`)),
      ...options,
    });
    client.activate();
  });
}

// Resolves when the server has answered the frame that carries this receipt.
export function receipted(client, act) {
  return new Promise((resolve) => {
    const receipt = `r-${Math.random()}`;
    client.watchForReceipt(receipt, resolve);
    act(receipt);
  });
}
