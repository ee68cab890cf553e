// `node pipe.js LISTEN UPSTREAM`: the shortest forwarder in Node.js, for the bench.
import { connect, createServer } from 'node:net';

const [listen, upstream] = process.argv.slice(2).map(Number);

createServer((client) => {
  const server = connect(upstream, '127.0.0.1');
  client.on('error', () => server.destroy());
  server.on('error', () => client.destroy());
  client.pipe(server);
  server.pipe(client);
}).listen({ port: listen, host: '127.0.0.1', backlog: 4_096 });
