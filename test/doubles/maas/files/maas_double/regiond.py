import hashlib
import hmac
import http.client
import json
import os
import random
import secrets
import signal
import socket
import string
import subprocess
import threading
import time
import urllib.request

import psycopg2
import yaml

from .config_files import ImproperlyConfigured, django_config
from .database import connect, query, unchecked_query
from .environment import CERTIFICATES, CERTIFICATE_FILES, HAS_NGINX, HTTP_CONF, SHORT, TEMPORAL_CONF, VERSION, log, scaled, settings
from .identity import hostname, own_address, proof, static_addresses
from .own_files import has_certificates, read_own, write_atomically, write_own
from .web import BareWebServer, WebServer


class Region:
    """One region controller."""

    def __init__(self, conf):
        self.conf = conf
        self.secret = None
        self.system_id = None
        self.listeners = []
        self.known = None
        self.web = None
        # How many racks have been entered; what was asked before the last one says nothing about it.
        self.entered = 0
        self.entering = threading.Lock()
        # Whoever says goodbye is not entered again by a heartbeat; a signal may come in the middle of the first one.
        self.beating = threading.RLock()

    def start(self):
        """As start_up() of MAAS: all or nothing, under a lock of the database."""
        time.sleep(settings()["region_start_seconds"])
        connection = connect(self.conf)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(20120116, 1)")
            cursor.execute("SELECT value FROM maasserver_secret WHERE path = 'rpc-shared'")
            row = cursor.fetchone()
            self.secret = row[0] if row else self.first_secret()
            if SHORT <= (3, 2) and read_own("secret") not in ("", self.secret):
                raise AssertionError("The secret stored in the database does not match the secret stored on the filesystem.")
            if not row:
                cursor.execute("INSERT INTO maasserver_secret VALUES ('rpc-shared', %s)", (self.secret,))
            if SHORT >= (3, 0):
                cursor.execute(
                    "INSERT INTO maasserver_config VALUES ('maas_url', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (json.dumps(self.conf["maas_url"]),),
                )
            self.system_id = self.register(cursor)
            certificate = self.certificate(cursor) if CERTIFICATES else None
        connection.close()
        if certificate and not has_certificates():
            for name in CERTIFICATE_FILES:
                # MAAS makes no folder for it.
                write_atomically(f"{CERTIFICATES}/{name}", certificate, 0o600 if name.endswith(".key") else 0o644)
        write_own("secret", self.secret)
        write_own("maas_id", self.system_id, 0o640 if SHORT >= (3, 3) else 0o600)

    def certificate(self, cursor):
        cursor.execute("SELECT value FROM maasserver_secret WHERE path = 'cluster-certificate'")
        row = cursor.fetchone() or (secrets.token_hex(16),)
        cursor.execute("INSERT INTO maasserver_secret VALUES ('cluster-certificate', %s) ON CONFLICT DO NOTHING", row)
        return row[0]

    def first_secret(self):
        """Until 3.2 MAAS takes the one of a file; later it ignores and overwrites that."""
        return (read_own("secret") if SHORT <= (3, 2) else "") or secrets.token_hex(16)

    def register(self, cursor):
        known = read_own("maas_id")
        cursor.execute("SELECT system_id FROM maasserver_node WHERE system_id = %s", (known,))
        if not cursor.fetchone():
            cursor.execute("SELECT system_id FROM maasserver_node WHERE hostname = %s", (hostname(),))
            row = cursor.fetchone()
            known = row[0] if row else "".join(random.choices(string.ascii_lowercase + string.digits, k=6))
        cursor.execute(
            "INSERT INTO maasserver_node VALUES (%s, %s, 3, %s, %s) ON CONFLICT (system_id) DO UPDATE "
            "SET address = excluded.address, version = excluded.version, "
            "node_type = CASE maasserver_node.node_type WHEN 2 THEN 4 ELSE maasserver_node.node_type END",
            (known, hostname(), own_address(), VERSION),
        )
        return known

    def serve(self):
        for index in range(min(self.conf.get("num_workers", 4), 10)):
            listener = socket.create_server((settings()["address"], 5250 + index), family=socket.AF_INET)
            self.listeners.append(listener)
            threading.Thread(target=self.accept, args=(listener,), daemon=True).start()
        query(self.conf, "DELETE FROM maasserver_regionprocess WHERE system_id = %s", (self.system_id,))
        with self.beating:
            self.beat()
        threading.Thread(target=self.heart, daemon=True).start()
        threading.Thread(target=self.report, daemon=True).start()
        if CERTIFICATES:
            os.makedirs(os.path.dirname(TEMPORAL_CONF), exist_ok=True)
            write_atomically(TEMPORAL_CONF, yaml.safe_dump({"broadcastAddress": self.conf["broadcast_address"]}), 0o600)
        server = WebServer(self) if HAS_NGINX else BareWebServer(self)
        self.configure_web()
        # Only now: from here on it is what configures the web server, and two at once would take each other's file away.
        threading.Thread(target=self.watch, args=(self.hold(),), daemon=True).start()
        log("Region controller serves.")
        server.serve_forever()

    def hold(self):
        """A connection that no migration comes past for as long as it lasts: see dbupgrade."""
        connection = connect(self.conf)
        connection.autocommit = True
        connection.cursor().execute("SELECT pg_advisory_lock_shared(99, 2)")
        return connection

    def watch(self, connection):
        """Which racks there are, so that a rack that is deleted learns of it."""
        while True:
            try:
                connection = connection or self.hold()
                cursor = connection.cursor()
                entered = self.entered
                cursor.execute("SELECT system_id FROM maasserver_node WHERE node_type IN (2, 4)")
                known = {row[0] for row in cursor.fetchall()}
                with self.entering:
                    self.known = known if entered == self.entered else None
                self.configure_web()
            except psycopg2.Error:
                connection = self.known = None
            time.sleep(1)

    def report(self):
        """What hardware it has a region tells itself, through the URL that all have in common; and its networks, when they change."""
        is_known, told = False, None
        while True:
            try:
                if not is_known:
                    with urllib.request.urlopen(f"{self.conf['maas_url']}/rpc/", timeout=5):
                        is_known = True
                addresses = static_addresses()
                if addresses != told:
                    self.tell(addresses)
                    told = addresses
            except (OSError, psycopg2.Error, http.client.HTTPException, subprocess.CalledProcessError) as error:
                log(f"Couldn't report test results: URL error [{getattr(error, 'reason', error)}]")
            time.sleep(scaled(30))

    def tell(self, addresses):
        """Every address is static, a virtual one as well, and is of the one controller that told of it last."""
        query(
            self.conf,
            "UPDATE maasserver_node SET reported = reported OR system_id = %s, addresses = CASE system_id WHEN %s THEN %s "
            "ELSE array(SELECT unnest(addresses) EXCEPT SELECT unnest(%s)) END",
            (self.system_id, self.system_id, addresses, addresses),
        )

    def configure_web(self):
        """Writes what the web server follows, where it is not so already. Its presence starts the web server."""
        if not HAS_NGINX:
            return
        rows = query(self.conf, "SELECT value FROM maasserver_secret WHERE path = 'tls'")
        tls = json.loads(rows[0][0]) if rows else None
        folder = f"{os.path.dirname(HTTP_CONF)}/certs"
        os.makedirs(folder, exist_ok=True)
        if tls == self.web and os.path.exists(HTTP_CONF):
            return
        conf = {}
        if tls:
            conf = {"tls_port": tls["port"], "cert": f"{folder}/regiond-proxy.pem", "key": f"{folder}/regiond-proxy-key.pem"}
            conf["generation"] = hashlib.sha256(rows[0][0].encode()).hexdigest()
            for path, content in ((conf["cert"], tls["cert"] + tls["cacert"]), (conf["key"], tls["key"])):
                with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                    file.write(content)
        with open(f"{HTTP_CONF}.tmp", "w") as file:
            json.dump(conf, file)
        os.rename(f"{HTTP_CONF}.tmp", HTTP_CONF)
        self.web = tls

    def heart(self):
        while True:
            time.sleep(scaled(60))
            try:
                with self.beating:
                    self.beat()
            except psycopg2.Error as error:
                log(f"Failed to update regiond's processes and endpoints: {error}")

    def beat(self):
        names = query(self.conf, "SELECT hostname FROM maasserver_node WHERE system_id = %s", (self.system_id,))
        if names != [(hostname(),)]:
            # A copied maas_id: the record is another machine's, whose name this one cannot give it.
            log(f"Failed to update regiond's processes and endpoints; {hostname()}:pid={os.getpid()} record's may be out of date")
            return
        for index in range(len(self.listeners)):
            query(
                self.conf,
                "INSERT INTO maasserver_regionprocess VALUES (%s, %s, %s, %s, now()) ON CONFLICT (system_id, pid) "
                "DO UPDATE SET updated = now(), address = excluded.address",
                (self.system_id, os.getpid() + index, own_address(), 5250 + index),
            )
        query(
            self.conf,
            "DELETE FROM maasserver_regionprocess WHERE updated < now() - %s * interval '1 second'",
            (scaled(90),),
        )

    def stop(self, *_):
        self.beating.acquire(timeout=5)
        query(self.conf, "DELETE FROM maasserver_regionprocess WHERE system_id = %s", (self.system_id,))
        log("Region controller stopped.")
        if SHORT < (3, 7):
            os._exit(0)
        # That of 3.7 has said goodbye, its workers are gone, and it does not end: a process that serves nobody and hears
        # no signal. In the snap it is pebble that loses patience.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.execvp("sleep", ["regiond", "infinity"])

    def eventloops(self):
        rows = unchecked_query(
            self.conf,
            "SELECT hostname, pid, p.address, port FROM maasserver_regionprocess p JOIN maasserver_node n "
            "USING (system_id) ORDER BY 1, 2",
        )
        return {f"{name}:pid={pid}": [[address, port]] for name, pid, address, port in rows}

    def accept(self, listener):
        while True:
            connection, peer = listener.accept()
            threading.Thread(target=self.converse, args=(connection, peer), daemon=True).start()

    def converse(self, connection, peer):
        """A rack proves that it knows the secret, is entered, and stays connected."""
        with connection, connection.makefile("rw") as stream:
            try:
                challenge = secrets.token_hex(16)
                print(challenge, file=stream, flush=True)
                answer = json.loads(stream.readline() or "{}")
                if not hmac.compare_digest(answer.get("digest", ""), proof(self.secret, challenge)):
                    log(f"Rack controller FAILED authentication from '::ffff:{peer[0]}:{peer[1]}'; dropping connection.")
                    return
                system_id = self.enter_rack(answer, peer[0])
                with self.entering:
                    self.entered += 1
                    self.known = None
                print(json.dumps({"system_id": system_id}), file=stream, flush=True)
                endpoint = (self.system_id, connection.getsockname()[1], system_id)
                query(self.conf, "INSERT INTO maasserver_regionrackrpcconnection VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", endpoint)
                try:
                    while stream.readline():
                        known = self.known
                        is_deleted = known is not None and system_id not in known
                        print(json.dumps({"deleted": is_deleted}), file=stream, flush=True)
                finally:
                    query(self.conf, "DELETE FROM maasserver_regionrackrpcconnection WHERE (region, port, rack) = (%s, %s, %s)", endpoint)
            except (OSError, ValueError, psycopg2.Error) as error:
                log(f"Connection of {peer[0]} lost: {error}")

    def enter_rack(self, answer, address):
        known = answer.get("system_id") or "".join(random.choices(string.ascii_lowercase + string.digits, k=6))
        rows = query(
            self.conf,
            "INSERT INTO maasserver_node VALUES (%s, %s, 2, %s, %s) ON CONFLICT (hostname) DO UPDATE "
            "SET address = excluded.address, "
            "node_type = CASE maasserver_node.node_type WHEN 3 THEN 4 ELSE maasserver_node.node_type END "
            "RETURNING system_id",
            (known, answer["hostname"], address, VERSION),
        )
        return rows[0][0]


def main():
    log("twistd starting up.")
    try:
        conf = django_config()
    except ImproperlyConfigured as error:
        while True:
            log("Error starting: Connection to database cannot be established.")
            log(f"ImproperlyConfigured: {error}")
            time.sleep(1)
    while True:
        try:
            connect(conf).close()
            break
        except psycopg2.OperationalError as error:
            log(f"Error starting: Connection to database cannot be established.\ndjango.db.utils.OperationalError: {error}")
            time.sleep(1)
    region = Region(conf)
    while True:
        try:
            region.start()
            break
        except psycopg2.Error as error:
            log(f"maasserver.start_up: [error] Database error during start-up\n{error}")
            time.sleep(scaled(3))
        except (AssertionError, OSError) as error:
            log(f"maasserver.start_up: [error] Error during start-up.\n{type(error).__name__}: {error}")
            time.sleep(scaled(3))
    signal.signal(signal.SIGTERM, region.stop)
    region.serve()
