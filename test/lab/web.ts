// A web server of the lab: node web.ts <port> <name>. It answers every request with its name, `/?<ms>` after that time,
// `/headers` with what it was sent, and `/redirect?<Location>` with a redirect.
import { createServer } from 'node:http';

const [port = '5240', name = ''] = process.argv.slice(2);
process.title = 'web';
const server = createServer((request, response) => {
  request.resume();
  response.setHeader('Content-Type', 'text/plain');
  const [path, query = '0'] = request.url?.split('?') ?? [];
  if (path === '/redirect') {
    response.writeHead(301, { location: query }).end();
    return;
  }
  const answer = path === '/headers' ? JSON.stringify(request.headers) : name;
  setTimeout(() => response.end(`${answer}\n`), Number(query));
});
server.keepAliveTimeout = 60_000;
server.listen(Number(port), '::');
// A clean stop: no new connections, and what is under way is answered.
process.on('SIGTERM', () => server.close());
