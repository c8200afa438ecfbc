"""maas-http: nginx in front of regiond."""

import http.server
import json
import os
import socket
import ssl
import threading
import time

from .environment import HAS_NGINX, HTTP_CONF, WEB_SOCKET, settings

PLAIN_PATHS = (
    "/MAAS/rpc/",
    "/MAAS/metadata/",
    "/MAAS/api/2.0/machines",
    "/MAAS/maas-run-scripts",
    "/MAAS/machine-resources/",
    "/MAAS/images-stream",
    "/MAAS/boot-resources/",
)


class FrontServer(http.server.ThreadingHTTPServer):
    # As nginx has it: with Python's five the checks of five balancers leave no room for a client while this is busy.
    request_queue_size = 511
    # Where the others are sent; None where everything is answered here.
    tls_port = None


class ProxyHandler(http.server.BaseHTTPRequestHandler):
    """Answers static pages itself, also while regiond is down, and 502 for the rest."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.is_elsewhere():
            return None
        if self.path.startswith("/MAAS/r/"):
            return self.answer(200, b"<html>MAAS</html>", [("Content-Type", "text/html")])
        if self.path in ("/", "/MAAS", "/MAAS/"):
            return self.answer(301, b"", [("Location", "/MAAS/r/")])
        return self.forward()

    do_DELETE = do_POST = do_PUT = lambda self: self.is_elsewhere() or self.forward()

    def is_elsewhere(self):
        """Once there is HTTPS, only what racks and machines ask is answered in plain."""
        port = self.server.tls_port
        if port is None or self.path.startswith(PLAIN_PATHS):
            return False
        if self.path.startswith("/MAAS"):
            host = self.headers.get("Host", "").rsplit(":", 1)[0]
            self.answer(301, b"", [("Location", f"https://{host}:{port}{self.path}")])
        else:
            self.answer(404, b"", [])
        return True

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def forward(self):
        try:
            with socket.socket(socket.AF_UNIX) as upstream:
                upstream.connect(WEB_SOCKET)
                lines = [f"{self.command} {self.path} HTTP/1.0"] + [f"{name}: {value}" for name, value in self.headers.items()]
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                upstream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
                reply = b"".join(iter(lambda: upstream.recv(65536), b""))
            self.wfile.write(reply)
            self.close_connection = True
        except OSError:
            self.answer(502, b"<html><h1>502 Bad Gateway</h1></html>", [("Content-Type", "text/html")])


def main():
    """Follows what regiond writes; nginx is told by it to reload."""
    if not HAS_NGINX:
        return
    # Nothing listens on a fresh machine until regiond has once come so far.
    while not os.path.exists(HTTP_CONF):
        time.sleep(0.1)
    plain = FrontServer((settings()["address"], 5240), ProxyHandler)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    current, secure = {}, None
    while True:
        try:
            with open(HTTP_CONF) as file:
                wanted = json.load(file)
        except FileNotFoundError:
            wanted = current
        if wanted != current:
            if secure:
                secure.shutdown()
                secure.server_close()
            plain.tls_port = wanted.get("tls_port")
            secure = serve_tls(wanted) if wanted else None
            current = wanted
        time.sleep(0.2)


def serve_tls(conf):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(conf["cert"], conf["key"])
    server = FrontServer((settings()["address"], conf["tls_port"]), ProxyHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
