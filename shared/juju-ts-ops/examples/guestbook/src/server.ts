import type { DatabaseConnection } from 'juju-ts-interfaces/database';
import type { Redacted } from 'juju-ts-ops';

/** The user that the server runs as. */
export const USER = 'guestbook';
export const SERVICE = 'guestbook';

/** Debian's own, which finds Debian's psycopg2. */
export const PYTHON = '/usr/bin/python3';
export const SERVER = '/usr/local/lib/guestbook/server.py';
export const UNIT = '/etc/systemd/system/guestbook.service';
export const CONFIG = '/etc/guestbook/config.json';
/** The CA of the database's certificate. */
export const AUTHORITY = '/etc/guestbook/database-ca.pem';
export const CERTIFICATE = '/etc/guestbook/certificate.pem';
export const KEY = '/etc/guestbook/key.pem';

/** On 127.0.0.1, for the collector on the same machine. */
export const METRICS_PORT = 9180;

export const UNIT_CONTENT = `[Unit]
Description=Guestbook
After=network-online.target
[Service]
User=${USER}
ExecStart=${PYTHON} ${SERVER}
Restart=always
RestartSec=1
NoNewPrivileges=true
[Install]
WantedBy=multi-user.target
`;

export interface ServerOptions {
  readonly title: string;
  readonly port: number;
  readonly 'tls-port': number;
}

/** What the server reads: its options, and how the database is reached, with the password. */
export function renderConfig(
  options: ServerOptions,
  { host, port, database, user, password }: DatabaseConnection,
  hasAuthority: boolean,
): Redacted {
  return password.map((secret) => {
    const tls = hasAuthority ? { sslmode: 'verify-ca', sslrootcert: AUTHORITY } : {};
    const libpq = { host, port, dbname: database, user, password: secret, ...tls };
    return `${JSON.stringify({ ...options, database: libpq }, null, 2)}\n`;
  });
}

/** Python's standard library, and psycopg2 of Debian. `migrate` makes the table; without it, the server runs. */
export const SERVER_CONTENT = `import json
import os
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2

LONGEST = 1000
with open('${CONFIG}') as file:
    config = json.load(file)
answers = {200: 0, 503: 0}
lock = threading.Lock()


def query(statement, *values):
    connection = psycopg2.connect(connect_timeout=3, **config['database'])
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


class Answer(BaseHTTPRequestHandler):
    def send(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header('Content-Type', 'text/plain; charset=utf-8')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Guestbook(Answer):
    def answer(self, make):
        try:
            status, text = 200, make()
        except psycopg2.Error as error:
            print(error, file=sys.stderr)
            status, text = 503, 'the database does not answer\\n'
        with lock:
            answers[status] += 1
        self.send(status, text)

    def do_GET(self):
        if self.path == '/healthz':
            self.answer(lambda: f'{query("SELECT count(*) FROM entries")[0][0]} entries\\n')
        elif self.path == '/':
            self.answer(lambda: '\\n'.join([config['title'], *self.entries()]) + '\\n')
        else:
            self.send(404, 'not here\\n')

    def do_POST(self):
        length = min(int(self.headers.get('Content-Length') or 0), LONGEST)
        text = self.rfile.read(length).decode(errors='replace')
        self.answer(lambda: query('INSERT INTO entries (text) VALUES (%s)', text) or 'thank you\\n')

    def entries(self):
        return [text for (text,) in query('SELECT text FROM entries ORDER BY id DESC LIMIT 100')]


class Metrics(Answer):
    def do_GET(self):
        with lock:
            lines = [f'guestbook_answers_total{{status="{status}"}} {n}' for status, n in answers.items()]
        self.send(200, '\\n'.join(['# TYPE guestbook_answers_total counter', *lines]) + '\\n')


def serve(address, handler, context=None):
    server = ThreadingHTTPServer(address, handler)
    if context:
        # The handshake is left to the thread of the connection: a slow client holds up nobody else.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever).start()


if sys.argv[1:] == ['migrate']:
    query('CREATE TABLE IF NOT EXISTS entries (id bigserial PRIMARY KEY, text text NOT NULL)')
else:
    serve(('', config['port']), Guestbook)
    serve(('127.0.0.1', ${METRICS_PORT}), Metrics)
    if os.path.exists('${CERTIFICATE}'):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain('${CERTIFICATE}', '${KEY}')
        serve(('', config['tls-port']), Guestbook, tls)
`;
