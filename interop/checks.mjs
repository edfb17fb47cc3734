// Named checks with a deadline each; prints one line per failure and a closing count.
import assert from 'node:assert/strict';
import { exec } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const TIMEOUT_MS = 30000;
const checks = [];

export const amqpPort = Number(process.env.AMQP_PORT);
export const stompPort = Number(process.env.STOMP_PORT);
export { assert };

// Inside TLS where an authority is named, with a certificate of our own where that is named.
const file = (name) => (process.env[name] ? readFileSync(process.env[name]) : undefined);
export const tlsOptions = process.env.TLS_CA
  ? { ca: [file('TLS_CA')], cert: file('TLS_CERT'), key: file('TLS_KEY') }
  : undefined;
export const amqpUrlOf = (login, vhost = '%2f') =>
  `${tlsOptions ? 'amqps' : 'amqp'}://${login}@127.0.0.1:${amqpPort}/${vhost}`;
export const amqpUrl = amqpUrlOf('guest:guest');

// A user that may enter one virtual host alone, and there what begins with its name.
const { LOGIN_USER: user, LOGIN_PASSWORD: password, LOGIN_VHOST: vhost } = process.env;
export const own = user ? { user, password, vhost } : undefined;

// Comes back when the gateway has ended and is ready again.
export const canRestart = process.env.GATEWAY_RESTART;
export const restartGateway = () => promisify(exec)(canRestart);

export function check(name, body) {
  checks.push({ name, body });
}

// One that makes no sense where this was not given to us.
export function checkWith(what, name, body) {
  if (what) check(name, body);
}

let count = 0;
export const unique = (stem) => `${stem}-${process.pid}-${++count}`;

// A list that can be waited on: push from callbacks, await next().
export class Inbox {
  constructor() {
    this.items = [];
    this.waiting = [];
  }
  push(item) {
    const take = this.waiting.shift();
    if (take) take(item);
    else this.items.push(item);
  }
  next() {
    if (this.items.length) return Promise.resolve(this.items.shift());
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}

function within(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('nothing came in time')), TIMEOUT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export async function run(client) {
  let passed = 0;
  let failed = 0;
  for (const { name, body } of checks) {
    try {
      await within(body());
      passed++;
      console.log(`  ok ${client}: ${name}`);
    } catch (error) {
      failed++;
      console.log(`  FAILED ${client}: ${name}\n    ${String(error?.stack ?? error)}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed, 0 skipped`);
  process.exit(failed ? 1 : 0);
}
