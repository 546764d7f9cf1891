// Runs inside a namespace and makes traffic on request: one JSON request per line on standard input, one JSON answer
// per line on standard output. An answer means that the traffic has happened. It is plain JavaScript, so that it
// starts fast. Only traffic.ts uses it.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const connections = new Map();
const sockets = new Map();
let last = 0;

const family = (address) => (address.includes(':') ? 'udp6' : 'udp4');

function once(emitter, event) {
  return new Promise((resolve, reject) => {
    emitter.once('error', reject);
    emitter.once(event, (...values) => {
      emitter.off('error', reject);
      resolve(values[0]);
    });
  });
}

const operations = {
  // Echoes all data. Closes when the other side has closed.
  async tcpServer({ address, port }) {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.pipe(socket);
    });
    server.listen({ host: address, port });
    await once(server, 'listening');
    return { port: server.address().port };
  },

  async udpServer({ address, port }) {
    const socket = createSocket(family(address));
    socket.on('message', (data, from) => socket.send(data, from.port, from.address));
    socket.bind(port, address);
    await once(socket, 'listening');
    return { port: socket.address().port };
  },

  // Connects and waits for an echo of `bytes`, so that both sides know that the connection is established.
  async tcpConnect({ address, port, localAddress, localPort, bytes }) {
    const socket = connect({ host: address, port, localAddress, localPort });
    await once(socket, 'connect');
    const id = ++last;
    connections.set(id, socket);
    await operations.tcpEcho({ id, bytes });
    return { id, localAddress: socket.localAddress, localPort: socket.localPort };
  },

  async tcpEcho({ id, bytes }) {
    const socket = connections.get(id);
    let left = bytes;
    const echoed = new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.on('data', function count(chunk) {
        left -= chunk.length;
        if (left > 0) return;
        socket.off('data', count);
        socket.off('error', reject);
        resolve();
      });
    });
    socket.write(Buffer.alloc(bytes, 'x'));
    await echoed;
    return {};
  },

  // Closes both directions by FIN. This side ends in TIME_WAIT. `reset` sends RST instead.
  async tcpClose({ id, reset }) {
    const socket = connections.get(id);
    connections.delete(id);
    const closed = once(socket, 'close');
    socket.on('error', () => {});
    socket.resume();
    if (reset) socket.resetAndDestroy();
    else socket.end();
    await closed;
    return {};
  },

  async udpOpen({ localAddress, localPort }) {
    const socket = createSocket(family(localAddress));
    socket.bind(localPort, localAddress);
    await once(socket, 'listening');
    const id = ++last;
    sockets.set(id, socket);
    return { id, localPort: socket.address().port };
  },

  // Sends `count` datagrams one after the other, and waits for each answer.
  async udpExchange({ id, address, port, bytes, count }) {
    const socket = sockets.get(id);
    for (let i = 0; i < count; i++) {
      const answer = once(socket, 'message');
      socket.send(Buffer.alloc(bytes, 'x'), port, address);
      await answer;
    }
    return {};
  },

  // Sends datagrams and waits for no answer.
  async udpSend({ id, address, port, bytes, count }) {
    const socket = sockets.get(id);
    for (let i = 0; i < count; i++) {
      await new Promise((resolve, reject) =>
        socket.send(Buffer.alloc(bytes, 'x'), port, address, (error) =>
          error ? reject(error) : resolve(),
        ),
      );
    }
    return {};
  },

  async udpClose({ id }) {
    const closed = once(sockets.get(id), 'close');
    sockets.get(id).close();
    sockets.delete(id);
    await closed;
    return {};
  },
};

const input = createInterface({ input: process.stdin });
input.on('line', async (line) => {
  const { request, operation, ...parameters } = JSON.parse(line);
  let answer;
  try {
    answer = { request, ...(await operations[operation](parameters)) };
  } catch (error) {
    answer = { request, error: `${operation}: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
input.on('close', () => process.exit(0));
process.stdout.write('ready\n');
