// stompjs speaks over WebSockets; this gives it a TCP connection with the same face, as its
// documentation describes for Node.
import net from 'node:net';
import tls from 'node:tls';
import { tlsOptions } from '../checks.mjs';

export class TcpSocket {
  constructor(port, host = '127.0.0.1') {
    this.readyState = 0;
    this.url = `tcp://${host}:${port}`;
    this.socket = tlsOptions
      ? tls.connect({ port, host, noDelay: true, ...tlsOptions })
      : net.connect({ port, host, noDelay: true });
    this.socket.on(tlsOptions ? 'secureConnect' : 'connect', () => {
      this.readyState = 1;
      this.onopen?.();
    });
    this.socket.on('data', (data) => {
      this.onmessage?.({ data: data.buffer.slice(data.byteOffset, data.byteOffset + data.length) });
    });
    this.socket.on('error', (error) => this.onerror?.(error));
    this.socket.on('close', () => {
      this.readyState = 3;
      this.onclose?.({ code: 1000, reason: '', wasClean: true });
    });
  }
  send(data) {
    this.socket.write(typeof data === 'string' ? data : Buffer.from(data));
  }
  close() {
    this.readyState = 2;
    this.socket.end();
  }
  terminate() {
    this.socket.destroy();
  }
}
