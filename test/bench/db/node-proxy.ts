// The smallest TCP proxy that Node makes, to measure what one of our own would cost: node node-proxy.ts <port> <host> <port>
import { connect, createServer } from 'node:net';

const [listen, host = '', port] = process.argv.slice(2);
createServer({ noDelay: true }, (client) => {
  const server = connect({ host, port: Number(port), noDelay: true });
  client.pipe(server).pipe(client);
  client.on('error', () => server.destroy());
  server.on('error', () => client.destroy());
}).listen(Number(listen), '127.0.0.1');
