// A web server of the lab: node web.ts <port> <name>. It answers every request with its name, `/?<ms>` after that time,
// and `/headers` with what it was sent.
import { createServer } from 'node:http';

const [port = '5240', name = ''] = process.argv.slice(2);
process.title = 'web';
const server = createServer((request, response) => {
  request.resume();
  response.setHeader('Content-Type', 'text/plain');
  const answer = request.url === '/headers' ? JSON.stringify(request.headers) : name;
  setTimeout(() => response.end(`${answer}\n`), Number(request.url?.split('?')[1] ?? 0));
});
server.keepAliveTimeout = 60_000;
server.listen(Number(port), '::');
// A clean stop: no new connections, and what is under way is answered.
process.on('SIGTERM', () => server.close());
