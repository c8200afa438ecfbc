"""A stand-in for MAAS: its commands and daemons, as far as high availability goes, on a real PostgreSQL.

What the real MAAS 3.4 refuses, this refuses in the same words. Times that MAAS counts in minutes are scaled by
`time_scale` of /etc/maas/double.conf, so that tests need not wait for them. Below another root (MAAS_ROOT) several
controllers run on one machine, each with an `address` and a `hostname` in its double.conf. Inside a snap (see
snap_double.py) it has the snap's paths, its command `maas` and its one service.

What the real one does and this does not, or does otherwise:

- Commands: help, `local_config_*` for Vault, `configauth`, `apikey --delete` and `--update`, `createadmin --ssh-import`; of the words of
  a traceback the last line is the same but for the module that it names. A file that `config_tls` cannot open is a CommandError in 3.4, and wrong usage with exit code 2 in 3.7.
- Packages: their scripts write an empty regiond.conf and rackd.conf, give them, secret and maas_id to the user maas, ask debconf for a
  rack's URL and secret, have logs, and turn nginx off and on. rackd is that user's as well, and a daemon fails at a file of its own that root
  has written. Of BIND they do what is done here.
- dbupgrade: few migrations, with names of this one's own; of two at once on an empty database the later one fails always, and in the same
  words; no views, no triggers; of Temporal's schema no more than its version, which is not the real number.
- regiond: port 5239 and its metrics, `/MAAS/a/` of 3.5 and later, images, Vault, websockets; every process counts as one event loop of a
  master; the wait after an error is scaled as all times are.
- API: of controllers, VLANs and ranges the fields that charms read, one fabric and one VLAN; of a rack's services rackd alone; users,
  subnets and all else are unknown.
- rackd: its DHCP server, name server, proxy, TFTP and their ports, the agent, and the addresses beside the one that it connects from; one
  connection to each event loop and not up to five; what it logs of every try, ten times a second with a wrong secret.
- Name servers are not told of: the real ones name of every region all static addresses, the virtual one among them.
- Temporal: regiond starts it itself, with sudo, once it has configured it, and it was once seen to hang at a stop as well; sudo comes with
  the packages. In the snap there is no API server and no Temporal.
- Nobody downloads machine-resources, with wget, through the URL that all have in common.
"""

import argparse
import base64
import binascii
import datetime
import getpass
import glob
import grp
import hashlib
import hmac
import http.server
import ipaddress
import json
import os
import random
import re
import secrets
import signal
import socket
import socketserver
import ssl
import string
import subprocess
import sys
import tempfile
import threading
import time
import types
import urllib.parse
import urllib.request
import uuid

import psycopg2
import yaml

ROOT = os.environ.get("MAAS_ROOT", "")
SNAP = os.environ.get("SNAP")
SNAP_COMMON = os.environ.get("SNAP_COMMON", "")
SNAP_DATA = os.environ.get("SNAP_DATA", "")
VERSION = os.environ["SNAP_VERSION"] if SNAP else open(f"{ROOT}/usr/share/maas/version").read().strip()
# As a snap has it: 3.7.3-17487-g.1b8e8a2
FULL = tuple(int(part) for part in VERSION.split("-")[0].split("."))
SHORT = FULL[:2]
HOME = f"{SNAP_COMMON}/maas" if SNAP else f"{ROOT}/var/lib/maas"
# The snap's own commands overwrite what the environment says.
REGIOND_CONF = f"{SNAP_DATA}/regiond.conf" if SNAP else os.environ.get("MAAS_REGION_CONFIG", f"{ROOT}/etc/maas/regiond.conf")
RACKD_CONF = f"{SNAP_DATA}/rackd.conf" if SNAP else os.environ.get("MAAS_CLUSTER_CONFIG", f"{ROOT}/etc/maas/rackd.conf")
DOUBLE_CONF = f"{SNAP_COMMON}/double.conf" if SNAP else f"{ROOT}/etc/maas/double.conf"
MODE_FILE = f"{SNAP_COMMON}/snap_mode"
# Since 3.2 nginx answers on port 5240, and regiond behind it on a socket.
HAS_NGINX = SHORT >= (3, 2)
WEB_SOCKET = f"{SNAP_DATA or HOME}/maas-regiond-webapp.sock.0"
HTTP_CONF = f"{SNAP_DATA or HOME}/http/regiond.nginx.conf"
# From 3.5 on the regions have a certificate in common. The folder comes with maas-common, or with `maas init`.
CERTIFICATES = f"{SNAP_DATA or HOME}/certificates" if SHORT >= (3, 5) else None
CERTIFICATE_FILES = ("cluster.key", "cluster.pem", "cacerts.pem")
TEMPORAL_PORT = 5271
TEMPORAL_CONF = f"{SNAP_DATA or HOME}/temporal/production.yaml"
SETTINGS = {
    "time_scale": 0.2,
    "dbupgrade_seconds": 3.0,
    "region_start_seconds": 2.0,
    "address": "",
    # Those beside it, where the machine is none.
    "addresses": [],
    "hostname": "",
    "group": "root" if SNAP else "maas",
}


def settings():
    try:
        with open(DOUBLE_CONF) as file:
            return {**SETTINGS, **(yaml.safe_load(file) or {})}
    except FileNotFoundError:
        return SETTINGS


def scaled(seconds):
    return seconds * settings()["time_scale"]


def hostname():
    return settings()["hostname"] or socket.gethostname().split(".")[0]


def log(message):
    print(message, flush=True)


class CommandError(Exception):
    """Something that a command says without a traceback, after the name of its kind."""

    def __init__(self, message, kind="CommandError"):
        super().__init__(message)
        self.kind = kind


# --- Configuration files -------------------------------------------------------------------------------------------


def text(value):
    if not isinstance(value, str):
        raise ValueError(f"The input must be a Unicode string (not a {type(value).__name__}: {value!r})")
    return value


def number(least, most=None):
    def check(value):
        if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
            raise ValueError("Please enter an integer value.")
        if int(value) < least:
            raise ValueError(f"Please enter a number that is {least} or greater.")
        if most is not None and int(value) > most:
            raise ValueError(f"Please enter a number that is {most} or smaller.")
        return int(value)

    return check


def uuid_text(value):
    try:
        uuid.UUID(value)
        return value
    except (ValueError, AttributeError):
        raise ValueError(f"{value!r} Failed to parse UUID")


def boolean(value):
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "t", "yes", "y", "on", "1"):
        return True
    if str(value).lower() in ("false", "f", "no", "n", "off", "0"):
        return False
    raise ValueError("Value should be 'true' or 'false'")


def url(value):
    if value in (None, ""):
        return None
    value = text(value)
    if "://" not in value:
        value = f"http://{value}"
    parts = urllib.parse.urlsplit(value)
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("That is not a valid URL.")
    if parts.scheme not in ("http", "https") or not host or not re.fullmatch(r"[A-Za-z0-9.:-]+", host):
        raise ValueError("That is not a valid URL.")
    if ":" in host and "[" not in parts.netloc:
        raise ValueError("That is not a valid URL.")
    if re.fullmatch(r"[\d.]+", host) and any(int(part or 256) > 255 for part in host.split(".")):
        raise ValueError("That is not a valid URL.")
    return value


def urls(value):
    return [url(item) for item in (value if isinstance(value, list) else [value])]


REGION_OPTIONS = {
    "maas_url": (url, "http://localhost:5240/MAAS"),
    "database_host": (text, "localhost"),
    "database_port": (number(1, 65535), 5432),
    "database_name": (text, "maasdb"),
    "database_user": (text, "maas"),
    "database_pass": (text, ""),
}
RACK_OPTIONS = {
    # A list since 2.5, where a text alone still counts as one.
    "maas_url": (urls, ["http://localhost:5240/MAAS"]) if SHORT >= (2, 5) else (url, "http://localhost:5240/MAAS"),
    "tftp_port": (number(1, 65535), 69),
    "tftp_root": (text, "/var/lib/maas/boot-resources/current/"),
}
if SHORT >= (2, 4):
    REGION_OPTIONS["database_conn_max_age"] = (number(0), 300)
    REGION_OPTIONS["num_workers"] = (number(1), 4)
    for name in ("debug", "debug_queries", "debug_http"):
        REGION_OPTIONS[name] = (boolean, False)
    RACK_OPTIONS["debug"] = (boolean, False)
if SHORT >= (2, 5):
    REGION_OPTIONS["database_keepalive"] = (boolean, True)
    for name, default in (("idle", 15), ("interval", 15), ("count", 2)):
        REGION_OPTIONS[f"database_keepalive_{name}"] = (number(0), default)
if SHORT >= (3, 3):
    for name in ("vault_url", "vault_secrets_mount", "vault_secrets_path", "vault_approle_id", "vault_secret_id"):
        REGION_OPTIONS[name] = (text, "")
    for name, default in (("max_idle_rpc_connections", 1), ("max_rpc_connections", 4), ("rpc_keepalive", 1000)):
        RACK_OPTIONS[name] = (number(1), default)
if SHORT >= (3, 5):
    REGION_OPTIONS["broadcast_address"] = (text, "")
    RACK_OPTIONS["tftp_root"] = (text, f"{HOME}/tftp_root")
    RACK_OPTIONS["tftp_max_blksize"] = (number(8, 8192), 8192)
    RACK_OPTIONS["httpproxy_cache_size"] = (number(1), 20 * 1000**3)
else:
    RACK_OPTIONS["cluster_uuid"] = (uuid_text, None)


def read_config(path, options):
    """Every option is checked whenever the file is read; keys that MAAS does not know stay and are ignored."""
    with open(path) as file:
        data = yaml.safe_load(file) or {}
    if not isinstance(data, dict):
        raise ValueError(f"Configuration in {path} is not a mapping: {data!r}")
    values = {name: check(data[name]) if name in data else default for name, (check, default) in options.items()}
    if isinstance(data.get("database_port"), str):
        raise TypeError("'<=' not supported between instances of 'str' and 'int'")
    return data, values


class ImproperlyConfigured(Exception):
    """What Django says of a file that MAAS could not read; what was wrong with it MAAS swallows."""


def django_config():
    """regiond.conf, for all that works with the database."""
    try:
        return read_config(REGIOND_CONF, REGION_OPTIONS)[1]
    except Exception:
        raise ImproperlyConfigured("settings.DATABASES is improperly configured. Please supply the ENGINE value.")


def write_config(path, data):
    """Always a new file, with the mode and owner of the old one."""
    try:
        before = os.stat(path)
        mode, uid, gid = before.st_mode & 0o777, before.st_uid, before.st_gid
    except FileNotFoundError:
        mode, uid, gid = 0o640, 0, grp.getgrnam(settings()["group"]).gr_gid
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w") as file:
        if data:
            yaml.safe_dump(data, file, default_flow_style=False)
    os.chmod(temporary, mode)
    os.chown(temporary, uid, gid)
    os.rename(temporary, path)


def create_config(path):
    if not os.path.exists(path):
        write_config(path, {})


# --- Database ------------------------------------------------------------------------------------------------------

SCHEMA = """
CREATE TABLE IF NOT EXISTS maasserver_config (name text PRIMARY KEY, value text);
CREATE TABLE IF NOT EXISTS maasserver_secret (path text PRIMARY KEY, value text);
CREATE TABLE IF NOT EXISTS maasserver_node (
  system_id text PRIMARY KEY, hostname text UNIQUE, node_type int, address text, version text,
  reported boolean NOT NULL DEFAULT false, addresses text[] NOT NULL DEFAULT '{}');
ALTER TABLE maasserver_node ADD COLUMN IF NOT EXISTS addresses text[] NOT NULL DEFAULT '{}';
CREATE TABLE IF NOT EXISTS maasserver_regionprocess (
  system_id text, pid int, address text, port int, updated timestamptz, PRIMARY KEY (system_id, pid));
CREATE TABLE IF NOT EXISTS maasserver_regionrackrpcconnection (
  region text, port int, rack text, PRIMARY KEY (region, port, rack));
CREATE TABLE IF NOT EXISTS maasserver_vlan (
  id int PRIMARY KEY, vid int, dhcp_on boolean, primary_rack text, secondary_rack text);
CREATE TABLE IF NOT EXISTS maasserver_iprange (start_ip text, end_ip text, vlan int);
INSERT INTO maasserver_vlan VALUES (5001, 0, false, NULL, NULL) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS auth_user (username text PRIMARY KEY, email text UNIQUE, password text);
CREATE TABLE IF NOT EXISTS piston3_token (username text, key text);
CREATE TABLE IF NOT EXISTS double_migration (version text, host text, finished timestamptz DEFAULT now());
CREATE TABLE IF NOT EXISTS django_migrations (
  id serial PRIMARY KEY, app text NOT NULL, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now());
"""
# By the MAAS that they came with. 3.7 knows other migrations beside: an empty database gets those alone.
DJANGO_MIGRATIONS = (
    ((0,), "0001_initial"),
    ((0,), "0002_controllers"),
    ((0,), "0003_secrets"),
    ((3, 5), "0303_temporal"),
    ((3, 6), "0330_controllers"),
    ((3, 7), "0341_last"),
)
HAS_ALEMBIC = SHORT >= (3, 7)


def connect(conf):
    return psycopg2.connect(
        host=conf["database_host"],
        port=conf["database_port"],
        dbname=conf["database_name"],
        user=conf["database_user"],
        password=conf["database_pass"],
        connect_timeout=5,
        application_name="maas-regiond",
    )


# Connections that nobody uses now, each with the time at which it is too old.
POOL = []
# What comes at a time when all are in use waits, as for the threads of MAAS, which have a connection each.
POOL_SIZE = threading.BoundedSemaphore(40)


def is_usable(connection):
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except psycopg2.Error:
        return False


def taken(conf, is_checked):
    """A connection that an earlier transaction has left, unless it is too old, or looked at and found broken; or a new one."""
    while True:
        # Not looked for before it is taken: another thread may be faster.
        try:
            connection, end = POOL.pop()
        except IndexError:
            return connect(conf), time.monotonic() + conf.get("database_conn_max_age", 300)
        if time.monotonic() < end and (not is_checked or is_usable(connection)):
            return connection, end
        connection.close()


def query(conf, sql, args=(), is_checked=True):
    """One transaction. Sessions outlive it, and with it a password that PostgreSQL has changed."""
    with POOL_SIZE:
        connection, end = taken(conf, is_checked)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, args)
                rows = cursor.fetchall() if cursor.description else []
        except psycopg2.Error:
            connection.close()
            raise
        POOL.append((connection, end))
        return rows


def unchecked_query(conf, sql):
    """On a connection that nobody has looked at: one that has died since its last use costs this request an error."""
    return query(conf, sql, is_checked=False)


def dbupgrade(_args):
    conf = django_config()
    connection = connect(conf)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SHOW transaction_read_only")
    if cursor.fetchone()[0] == "on":
        raise psycopg2.InternalError("cannot execute DROP VIEW in a read-only transaction")
    # MAAS itself takes no lock: of two that run at once one fails. This one is only there to fail in its place.
    cursor.execute("SELECT pg_try_advisory_lock(99, 1)")
    if not cursor.fetchone()[0]:
        time.sleep(1)
        raise psycopg2.InternalError("tuple concurrently updated")
    migrate(cursor)
    if SHORT >= (3, 5):
        temporal_migration(conf, cursor)


def migrate(cursor):
    cursor.execute("SELECT to_regclass('double_migration')")
    last = None
    if cursor.fetchone()[0]:
        cursor.execute("SELECT version FROM double_migration ORDER BY finished DESC LIMIT 1")
        last = (cursor.fetchone() or [None])[0]
    if last and tuple(int(part) for part in last.split(".")) > SHORT:
        raise RuntimeError(f"the database was migrated to {last}, which is newer than {VERSION}")
    short = ".".join(str(part) for part in SHORT)
    if HAS_ALEMBIC:
        print("INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.", file=sys.stderr)
    if last == short:
        time.sleep(settings()["dbupgrade_seconds"] / 3)
        if not HAS_ALEMBIC:
            log("  No migrations to apply.")
        return
    # Migrations drop what regions work with, and the two deadlock.
    cursor.execute("SELECT pg_try_advisory_lock(99, 2)")
    if not cursor.fetchone()[0]:
        raise psycopg2.OperationalError("deadlock detected")
    names = django_migrations(cursor, last)
    for name in names:
        log(f"  Applying maasserver.{name}... OK")
    time.sleep(settings()["dbupgrade_seconds"])
    if last is None and DROPS_FUNCTIONS:
        drop_functions(cursor)
    cursor.execute(SCHEMA)
    for name in names:
        cursor.execute("INSERT INTO django_migrations (app, name) VALUES ('maasserver', %s)", (name,))
    if HAS_ALEMBIC:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public")
        cursor.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) PRIMARY KEY)")
        cursor.execute("DELETE FROM alembic_version; INSERT INTO alembic_version VALUES ('0026')")
    if SHORT >= (3, 5):
        for schema in ("temporal", "temporal_visibility"):
            # IF NOT EXISTS asks for the right to make one even where there is nothing to make.
            cursor.execute("SELECT to_regnamespace(%s)", (schema,))
            if not cursor.fetchone()[0]:
                cursor.execute(f"CREATE SCHEMA {schema}")
    cursor.execute("INSERT INTO double_migration (version, host) VALUES (%s, %s)", (short, hostname()))


def django_migrations(cursor, last):
    """The names of those to be applied: from 3.7 on only where Django has had the database before."""
    if HAS_ALEMBIC and last is None:
        return []
    cursor.execute("SELECT to_regclass('django_migrations')")
    done = set()
    if cursor.fetchone()[0]:
        cursor.execute("SELECT name FROM django_migrations")
        done = {name for (name,) in cursor.fetchall()}
    return [name for since, name in DJANGO_MIGRATIONS if since <= SHORT and name not in done]


# Migration 0030 drops what it finds; https://bugs.launchpad.net/maas/+bug/2097079 made it do nothing, and 3.7 begins
# with all of it done.
DROPS_FUNCTIONS = FULL < (3, 5, 7) or (3, 6) <= FULL < (3, 6, 1)


def drop_functions(cursor):
    """Every function of schema public, in one transaction, as migration 0030 does it; an extension that is there needs its own."""
    cursor.execute(
        "SELECT ns.nspname || '.' || proname || '(' || oidvectortypes(proargtypes) || ')' FROM pg_proc "
        "INNER JOIN pg_namespace ns ON (pg_proc.pronamespace = ns.oid) WHERE ns.nspname = 'public'"
    )
    drops = "; ".join(f"DROP FUNCTION {name} CASCADE" for (name,) in cursor.fetchall())
    if drops:
        cursor.execute(drops)


# What lib/pq, with which Temporal's tool asks PostgreSQL, does not know, and does not pass over either: the function
# parseEnviron of its versions 1.0 to 1.10.
REFUSED_BY_PQ = (
    "PGHOSTADDR",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGREALM",
    "PGREQUIRESSL",
    "PGSSLCRL",
    "PGREQUIREPEER",
    "PGKRBSRVNAME",
    "PGGSSLIB",
    "PGSYSCONFDIR",
    "PGLOCALEDIR",
)


TEMPORAL_SCHEMA = """
CREATE TABLE IF NOT EXISTS {0}.schema_version (
  version_partition int, db_name text, creation_time timestamp, curr_version text, min_compatible_version text,
  PRIMARY KEY (version_partition, db_name));
UPDATE {0}.schema_version SET db_name = current_database();
INSERT INTO {0}.schema_version VALUES (0, current_database(), now(), '1.0', '1.0') ON CONFLICT DO NOTHING;
"""


def temporal_migration(conf, cursor):
    """From 3.5 on dbupgrade ends with `temporal-sql-tool`, whatever there was to migrate before."""
    log("Running Temporal migrations:")
    refused = next((name for name in os.environ if name in REFUSED_BY_PQ), None)
    if refused:
        temporal_fails(f"panic: setting {refused} not supported\n\ngoroutine 1 [running]:\n")
    try:
        cursor.execute("SET search_path = temporal_visibility; CREATE EXTENSION IF NOT EXISTS btree_gin")
        for schema in ("temporal", "temporal_visibility"):
            cursor.execute(TEMPORAL_SCHEMA.format(schema))
    except psycopg2.Error as error:
        temporal_fails(f"unable to apply the schema: pq: {error}")
    log("  Applied all migrations.")


def temporal_fails(said):
    log(f"Failed to apply Temporal migrations\n{said}")
    sys.exit(2 if said.startswith("panic") else 1)


# --- maas-region ---------------------------------------------------------------------------------------------------


def flag(name):
    return f"--{name.replace('_', '-')}"


def local_config_set(args):
    create_config(REGIOND_CONF)
    data = read_config(REGIOND_CONF, REGION_OPTIONS)[0]
    for name, (check, _) in REGION_OPTIONS.items():
        value = getattr(args, name)
        if value is None:
            continue
        try:
            data[name] = check(value)
        except ValueError as error:
            raise CommandError(f"{name.replace('_', '-')}: {error}")
    write_config(REGIOND_CONF, data)


def local_config_get(args):
    create_config(REGIOND_CONF)
    values = read_config(REGIOND_CONF, REGION_OPTIONS)[1]
    chosen = {name: values[name] for name in REGION_OPTIONS if getattr(args, name)}
    if args.plain:
        for value in chosen.values():
            print(value)
    elif args.json:
        print(json.dumps(chosen))
    else:
        print(yaml.safe_dump(chosen, default_flow_style=False).strip())


def local_config_reset(args):
    data = read_config(REGIOND_CONF, REGION_OPTIONS)[0]
    for name in REGION_OPTIONS:
        if getattr(args, name):
            data.pop(name, None)
    write_config(REGIOND_CONF, data)


def ask(prompt):
    """As MAAS does it: at the end of the input it asks again, for ever."""
    while True:
        try:
            return input(prompt)
        except EOFError:
            continue


def createadmin(args):
    username = args.username or ask("Username: ")
    password = args.password
    if password is None:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise CommandError("Passwords do not match", "InconsistentPassword")
        if not password:
            raise CommandError("Passwords cannot be empty", "InconsistentPassword")
        email = args.email or ask("Email: ")
        ask("Import SSH keys [] (lp:user-id or gh:user-id): ")
    else:
        email = args.email or ask("Email: ")
    conf = django_config()
    digest = hashlib.sha256(password.encode()).hexdigest()
    try:
        query(conf, "INSERT INTO auth_user VALUES (%s, %s, %s)", (username, email, digest))
    except psycopg2.errors.UniqueViolation:
        raise CommandError(f"A user with the email {email} already exists.", "AlreadyExistingUser")


def apikey(args):
    if not args.username:
        raise CommandError("You must provide a username with --username.")
    conf = django_config()
    if not query(conf, "SELECT 1 FROM auth_user WHERE username = %s", (args.username,)):
        raise CommandError("User does not exist.")
    keys = query(conf, "SELECT key FROM piston3_token WHERE username = %s", (args.username,))
    if not keys or args.generate:
        letters = string.ascii_letters + string.digits
        key = ":".join("".join(secrets.choice(letters) for _ in range(length)) for length in (18, 18, 32))
        query(conf, "INSERT INTO piston3_token VALUES (%s, %s)", (args.username, key))
        keys.append((key,))
    for (key,) in keys:
        print(f"{key} MAAS consumer" if args.with_names else key)


def shell(args):
    """Django's, with as much of MAAS' own code as is asked for. Unlike MAAS' own commands it connects to nothing by itself."""
    conf = django_config()
    layer = ServiceLayer()

    class SecretManager:
        def __init__(self):
            # It asks MAAS' configuration whether there is a Vault.
            layer.ensure_initialized()

        def set_simple_secret(self, name, value):
            if name not in GLOBAL_SECRETS:
                raise UnknownSecret(f"Unknown secret '{name}'")
            query(conf, "INSERT INTO maasserver_secret VALUES (%s, %s) ON CONFLICT (path) DO UPDATE SET value = excluded.value", (name, value))

    class FullyConnected:
        def __enter__(self):
            layer.is_connected = True
            layer.init()

        def __exit__(self, *_):
            layer.is_connected = layer.is_initialized = False

    modules = {"maasserver.utils.orm": {"FullyConnected": FullyConnected}}
    if SHORT >= (3, 3):
        modules["maasserver.secrets"] = {"SecretManager": SecretManager}
    if SHORT >= (3, 7):
        modules["maasserver.sqlalchemy"] = {"service_layer": layer}
    for name, content in modules.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(content)
    exec(args.command, {})


GLOBAL_SECRETS = ("external-auth", "ipmi-k_g-key", "macaroon-key", "omapi-key", "rpc-shared", "tls", "vcenter-password")


class UnknownSecret(Exception):
    pass


class ServiceLayerNotInitialized(Exception):
    pass


class ServiceLayer:
    """From 3.7 on what MAAS keeps is reached through this, which belongs to a thread and a connection; before it is not there."""

    is_connected = False
    is_initialized = False

    def init(self):
        self.is_initialized = True

    def ensure_initialized(self):
        if SHORT < (3, 7):
            return
        if not self.is_initialized:
            raise ServiceLayerNotInitialized(
                "Service layer not initialized in this thread. This is likely to be a programming error and should never happen."
            )
        if not self.is_connected:
            raise AttributeError("'NoneType' object has no attribute 'cursor'")


def config_tls(args):
    """Key and certificates go into the database; the regions' web servers follow it."""
    conf = django_config()
    if args.command == "disable":
        query(conf, "DELETE FROM maasserver_secret WHERE path = 'tls'")
        return
    if not args.yes:
        answer = input("Once TLS is enabled, the MAAS UI and API won't be accessible over HTTP anymore, proceed? (y/n): ")
        if answer != "y":
            return
    key, cert = (read_given(path) for path in (args.key, args.cert))
    # The first certificate of the file; what leads from it counts only if it is in another one.
    found = CERTIFICATE.findall(cert)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{found[0] if found else ''}\n{key}")
        file.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file.name, password=refuse_passphrase)
        except ssl.SSLError as error:
            what = "Private and public keys don't match" if "MISMATCH" in str(error) else "Invalid PEM material"
            raise CertificateError(what)
    tls = {"key": key, "cert": found[0], "cacert": read_given(args.cacert) if args.cacert else "", "port": args.port}
    query(
        conf,
        "INSERT INTO maasserver_secret VALUES ('tls', %s) ON CONFLICT (path) DO UPDATE SET value = excluded.value",
        (json.dumps(tls),),
    )


def read_given(path):
    """A file that the user names. A snap is confined to its own folders, also where root calls it."""
    real = os.path.realpath(path)
    if SNAP and not real.startswith((f"{os.path.realpath(SNAP_COMMON)}/", f"{os.path.realpath(SNAP_DATA)}/")):
        raise PermissionError(13, "Permission denied", path)
    with open(path) as file:
        return file.read()


CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)


class CertificateError(Exception):
    """What MAAS says of a certificate that it does not take, with a traceback."""


def refuse_passphrase():
    raise CertificateError("Private key can't have a passphrase")


# What MAAS sets in its own file, which BIND therefore takes from no other.
OWN_NAMED_OPTIONS = ("forwarders", "dnssec-validation")


NAMED_HEADER = """\
//
// This file is managed by MAAS. Although MAAS attempts to preserve changes
// made here, it is possible to create conflicts that MAAS can not resolve.
//
// DNS settings available in MAAS (for example, forwarders and
// dnssec-validation) should be managed only in MAAS.
//
// The previous configuration file was backed up at:
//     {}
//
"""


def edit_named_options(args, move=None):
    """Has BIND's own file include MAAS' options alone, and moves those of it that conflict into MAAS' settings."""
    path = args.config_path
    try:
        with open(path, encoding="ascii") as file:
            before = file.read()
    except FileNotFoundError:
        raise CommandError(f"{path} does not exist")
    except UnicodeDecodeError as error:
        raise CommandError(str(error))
    include = f'include "{os.path.dirname(path)}/maas/named.conf.options.inside.maas";'
    content = re.sub(r"/\*.*?\*/|(//|#)[^\n]*", "", before, flags=re.DOTALL)
    if content.count("{") != content.count("}"):
        raise CommandError(f"Failed to parse {path}: Invalid brackets.")
    start = re.search(r"\boptions\s*\{", content)
    if not start:
        raise CommandError(f"Can't find options {{}} block in {path}, bailing out without doing anything.")
    end = end_of_block(content, start.end())
    block = content[start.end() : end]
    found = {name: re.search(rf"\b{name}\s+(\{{[^}}]*\}}|[^;{{]+);", block) for name in OWN_NAMED_OPTIONS}
    # Only told to, until 2.2.
    may_migrate = args.migrate_conflicting_options or SHORT >= (2, 3)
    moved = (move or move_named_options)({name: match[1] for name, match in found.items() if match and may_migrate})
    inside = block
    for name in moved:
        inside = inside.replace(found[name][0], "")
    # There is one, so that somebody else's is lost.
    includes = re.findall(r'\binclude\s+"[^"]*"\s*;', inside)
    for other in includes:
        inside = inside.replace(other, "")
    if includes == [include] and not moved and not args.force:
        return
    backup = f"{path}.{now_of_backup()}"
    lines = "\n".join(line.strip() for line in [*inside.strip().splitlines(), include] if line.strip())
    around = [content[: start.start()], f"options {{ {lines} }};", content[end:].partition(";")[2]]
    after = NAMED_HEADER.format(backup) + "\n".join(part.strip() for part in around if part.strip()) + "\n"
    if args.dry_run:
        print(after)
        return
    with open(os.open(backup, os.O_WRONLY | os.O_CREAT, 0o660), "w") as file:
        file.write(before)
    # In place: owner and mode stay.
    with open(path, "w") as file:
        file.write(after)


def end_of_block(content, start):
    """Where the brace is that closes the one before `start`."""
    depth = 1
    for index in range(start, len(content)):
        depth += {"{": 1, "}": -1}.get(content[index], 0)
        if depth == 0:
            return index
    return len(content)


def now_of_backup():
    """In UTC, with its offset, from 3.5 on."""
    return datetime.datetime.now(datetime.timezone.utc if SHORT >= (3, 5) else None).isoformat()


def move_named_options(values):
    """Which options have gone into MAAS' settings. Without a database forwarders stay; what is lost is lost in silence."""
    try:
        conf = read_config(REGIOND_CONF, REGION_OPTIONS)[1]
        if "forwarders" in values:
            known = (get_config(conf, "upstream_dns") or "").split()
            given = [word.rstrip(";") for word in values["forwarders"].strip("{} ").split()]
            set_config(conf, "upstream_dns", " ".join([*known, *(word for word in given if word and word not in known)]))
        if "dnssec-validation" in values:
            set_config(conf, "dnssec_validation", values["dnssec-validation"])
        return list(values)
    except (psycopg2.Error, OSError, ValueError):
        if SHORT < (2, 3):
            raise
        return [name for name in values if name != "forwarders"]


# What MAAS has in BIND's folder; each of its files is included by another one.
DNS_KEYS = ("keys.conf.maas", "named.conf.rndc.maas", "rndc.conf.maas")


def setup_dns(args):
    """MAAS' part of BIND's configuration as it is on a new machine: zones that were there are gone, and keys are others."""
    folder = f"{ROOT}/etc/bind/maas"
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    key = f'key "NAME" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n'
    write_atomically(f"{folder}/{DNS_KEYS[0]}", key.replace("NAME", "maas."), 0o644)
    for name in DNS_KEYS[1:]:
        # As far as the umask lets it: who makes them anew has to give them to BIND.
        with open(f"{folder}/{name}", "w") as file:
            file.write(key.replace("NAME", "rndc-maas-key"))
    for zone in glob.glob(f"{ROOT}/var/lib/bind/maas/zone.*"):
        os.unlink(zone)
    includes = "".join(f'include "{folder}/{name}";\n' for name in (DNS_KEYS[1], DNS_KEYS[0]))
    contents = {
        "named.conf.options.inside.maas": "dnssec-validation auto;\nempty-zones-enable no;\nallow-query { any; };\n",
        "named.conf.maas": f'{includes}\n# Authoritative Zone declarations.\nacl "trusted" {{\n    localnets;\n    localhost;\n}};\n',
    }
    for name, content in contents.items():
        if not (args.no_clobber and os.path.exists(f"{folder}/{name}")):
            write_atomically(f"{folder}/{name}", content, 0o644)


def common_main():
    """/usr/lib/maas/maas-common: what both kinds of controller need."""
    begin_rack_command()
    parser = argparse.ArgumentParser(prog="maas-common")
    verbs = parser.add_subparsers(dest="verb")
    dns = verbs.add_parser("setup-dns")
    dns.set_defaults(run=setup_dns)
    dns.add_argument("--no-clobber", action="store_true")
    named = verbs.add_parser("get-named-conf")
    named.add_argument("--edit", action="store_true")
    named.add_argument("--config-path", default=f"{ROOT}/etc/bind/named.conf.local")
    named.set_defaults(run=get_named_conf)
    options = verbs.add_parser("edit-named-options")
    options.set_defaults(run=drop_named_options, migrate_conflicting_options=True)
    options.add_argument("--config-path", default=f"{ROOT}/etc/bind/named.conf.options")
    for name in ("dry-run", "force"):
        options.add_argument(f"--{name}", action="store_true")
    run_rack_command(parser)


def drop_named_options(args):
    """As a rack has it, which has no settings to move anything into."""
    try:
        edit_named_options(args, list)
    except CommandError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


NAMED_SNIPPET_COMMENT = """\
# Append the following content to your local BIND configuration
# file (usually /etc/bind/named.conf.local) in order to allow
# MAAS to manage its DNS zones.
"""


def get_named_conf(args):
    line = f'include "{ROOT}/etc/bind/maas/named.conf.maas";\n'
    if not args.edit:
        print(f"{NAMED_SNIPPET_COMMENT}{line}")
        return
    # Also where it is there already.
    with open(args.config_path, "a") as file:
        file.write(line)


def region_main():
    begin_command()
    parser = argparse.ArgumentParser(prog="maas-region")
    verbs = parser.add_subparsers(dest="verb", required=True)
    known = ("local_config_set", "local_config_get", "local_config_reset", "dbupgrade", "createadmin", "apikey", "shell", "edit_named_options")
    if SHORT >= (3, 2):
        known += ("config_tls",)
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-") and sys.argv[1] not in known:
        print(f"Unknown command: {sys.argv[1]!r}\nType 'maas-region help' for usage.", file=sys.stderr)
        sys.exit(1)
    for verb in known[:3]:
        sub = verbs.add_parser(verb)
        sub.set_defaults(run=globals()[verb])
        for name in REGION_OPTIONS:
            how = {} if verb == "local_config_set" else {"action": "store_true"}
            sub.add_argument(flag(name), dest=name, **how)
        if verb == "local_config_get":
            sub.add_argument("--json", action="store_true")
            sub.add_argument("--plain", action="store_true")
    verbs.add_parser("dbupgrade").set_defaults(run=dbupgrade)
    admin = verbs.add_parser("createadmin")
    admin.set_defaults(run=createadmin)
    for name in ("username", "password", "email", "ssh-import"):
        admin.add_argument(f"--{name}")
    key = verbs.add_parser("apikey")
    key.set_defaults(run=apikey)
    key.add_argument("--username")
    key.add_argument("--generate", action="store_true")
    key.add_argument("--with-names", action="store_true")
    django = verbs.add_parser("shell")
    django.set_defaults(run=shell)
    django.add_argument("--command", required=True)
    named = verbs.add_parser("edit_named_options")
    named.set_defaults(run=edit_named_options)
    named.add_argument("--config-path", default=f"{ROOT}/etc/bind/named.conf.options")
    for name in ("dry-run", "force", "migrate-conflicting-options"):
        named.add_argument(f"--{name}", action="store_true")
    tls = verbs.add_parser("config_tls").add_subparsers(dest="command", required=True)
    enable = tls.add_parser("enable")
    for name in ("key", "cert"):
        enable.add_argument(name)
    enable.add_argument("--cacert")
    enable.add_argument("-p", "--port", default=5443, type=int)
    enable.add_argument("--yes", action="store_true")
    for verb in (enable, tls.add_parser("disable")):
        verb.set_defaults(run=config_tls)
    run_command(parser.parse_args())


def begin_command():
    """What its arguments are, every user of the machine could read while it runs: tests read it afterwards."""
    if os.geteuid() != 0:
        print("This utility may only be run as root.", file=sys.stderr)
        sys.exit(1)
    os.setegid(grp.getgrnam(settings()["group"]).gr_gid)
    os.makedirs(f"{ROOT}/var/log", exist_ok=True)
    with open(f"{ROOT}/var/log/maas-calls", "a") as file:
        print(*sys.argv, file=file)


def run_command(args):
    os.umask(0o007)
    try:
        args.run(args)
    except CommandError as error:
        print(f"{error.kind}: {error}", file=sys.stderr)
        sys.exit(1)


# --- regiond -------------------------------------------------------------------------------------------------------


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


def proof(secret, challenge):
    return hmac.new(bytes.fromhex(secret), challenge.encode(), hashlib.sha256).hexdigest()


def own_address():
    """Never a virtual one: those have a prefix of 32 bits, or are not the first of their interface."""
    if settings()["address"]:
        return settings()["address"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.18.0.1", 9))
        return probe.getsockname()[0]


def static_addresses():
    """What MAAS takes for a controller's own, the virtual ones included; its own address is the first."""
    own = own_address()
    if settings()["address"]:
        return [own, *settings()["addresses"]]
    said = subprocess.run(["ip", "-json", "-4", "address", "show", "scope", "global"], capture_output=True, check=True).stdout
    found = [info["local"] for link in json.loads(said) for info in link.get("addr_info", [])]
    return [own, *sorted({address for address in found if address != own})]


def read_own(name):
    try:
        with open(f"{HOME}/{name}") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def write_own(name, content, mode=0o640):
    write_atomically(f"{HOME}/{name}", content, mode)


def has_certificates():
    return all(os.path.exists(f"{CERTIFICATES}/{name}") for name in CERTIFICATE_FILES)


def write_atomically(path, content, mode):
    # Region and rack share files, and a rack writes one for each connection, all at the same time.
    temporary = f"{path}.{threading.get_native_id()}"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(content)
    os.chmod(temporary, mode)
    # Whose they are stays.
    if os.geteuid() == 0 and os.path.exists(path):
        before = os.stat(path)
        os.chown(temporary, before.st_uid, before.st_gid)
    os.rename(temporary, path)


class WebServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """What regiond itself answers, behind maas-http."""

    daemon_threads = True
    request_queue_size = 50

    def __init__(self, region):
        if os.path.exists(WEB_SOCKET):
            os.unlink(WEB_SOCKET)
        super().__init__(WEB_SOCKET, WebHandler)
        self.region = region


class BareWebServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Until 3.1 nothing stands before regiond."""

    daemon_threads = True
    request_queue_size = 50
    allow_reuse_address = True

    def __init__(self, region):
        super().__init__((settings()["address"], 5240), WebHandler)
        self.region = region


class WebHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def address_string(self):
        return "client"

    def answer(self, status, body, content_type="application/json", headers=()):
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Maas-Region", hostname())
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.guard(self.get)

    def do_DELETE(self):
        self.guard(self.delete)

    def do_POST(self):
        self.guard(self.post)

    def do_PUT(self):
        self.guard(self.put)

    def guard(self, handle):
        try:
            handle()
        except psycopg2.Error as error:
            self.answer(500, str(error), "text/plain")

    def get(self):
        region = self.server.region
        path = self.path.replace("//", "/")
        if path == "/MAAS/rpc/":
            self.answer(200, {"eventloops": region.eventloops()})
        elif path == "/MAAS/rpc":
            self.answer(301, b"", headers=[("Location", "/MAAS/rpc/")])
        elif path == "/MAAS/api/2.0/version/":
            unchecked_query(region.conf, "SELECT 1")
            self.answer(200, {"capabilities": ["authenticate-api"], "version": VERSION, "subversion": ""})
        elif path == "/MAAS/accounts/login/":
            nobody = not query(region.conf, "SELECT 1 FROM auth_user")
            self.answer(200, {"authenticated": False, "external_auth_url": None, "no_users": nobody})
        elif path == "/MAAS/metrics" and get_config(region.conf, "prometheus_enabled"):
            nodes = query(region.conf, "SELECT node_type, count(*) FROM maasserver_node GROUP BY 1")
            self.answer(200, "".join(f'maas_nodes{{type="{kind}"}} {count}\n' for kind, count in nodes), "text/plain")
        elif path.startswith("/MAAS/api/2.0/") and path.split("?")[0].endswith("/"):
            self.get_api(path[len("/MAAS/api/2.0/") :])
        else:
            self.answer(404, f"Unknown API endpoint: {path}.", "text/plain")

    def get_api(self, path):
        conf = self.server.region.conf
        if not self.is_authorized():
            return
        if path in ("regioncontrollers/", "rackcontrollers/"):
            kind = 3 if "region" in path else 2
            rows = query(
                conf,
                "SELECT node_type, system_id, hostname, address, version, reported, addresses FROM maasserver_node WHERE node_type IN (%s, 4) ORDER BY 3",
                (kind,),
            )
            self.answer(200, [controller(conf, kind == 2, *row) for row in rows])
        elif path.startswith("maas/?"):
            name = dict(urllib.parse.parse_qsl(path.split("?")[1])).get("name", "")
            if name in CONFIG_ITEMS:
                self.answer(200, json.dumps(get_config(conf, name)))
            else:
                self.answer(400, unknown_setting(name))
        elif path == "fabrics/":
            self.answer(200, [{"id": 0, "name": "fabric-0", "vlans": vlans(conf)}])
        elif path == "fabrics/0/vlans/":
            self.answer(200, vlans(conf))
        elif path == "ipranges/":
            rows = query(conf, "SELECT start_ip, end_ip, vlan FROM maasserver_iprange ORDER BY 1")
            self.answer(200, [{"type": "dynamic", "start_ip": s, "end_ip": e, "subnet": {"cidr": "10.0.0.0/24", "vlan": {"id": v}}} for s, e, v in rows])
        else:
            self.answer(404, f"Unknown API endpoint: /MAAS/api/2.0/{path}.", "text/plain")

    def form(self):
        length = int(self.headers.get("Content-Length") or 0)
        return dict(urllib.parse.parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True))

    def post(self):
        conf = self.server.region.conf
        form = self.form()
        if not self.is_authorized():
            return
        if self.path == "/MAAS/api/2.0/ipranges/":
            query(conf, "INSERT INTO maasserver_iprange VALUES (%s, %s, 5001)", (form["start_ip"], form["end_ip"]))
            self.answer(200, {"type": form["type"], "start_ip": form["start_ip"], "end_ip": form["end_ip"]})
        elif self.path == "/MAAS/api/2.0/maas/?op=set_config":
            if form["name"] not in CONFIG_ITEMS:
                return self.answer(400, unknown_setting(form["name"]))
            try:
                set_config(conf, form["name"], CONFIG_ITEMS[form["name"]][0](form["value"]))
            except ValueError as error:
                return self.answer(400, {form["name"]: [str(error)]})
            self.answer(200, "OK", "text/plain")
        else:
            self.answer(404, f"Unknown API endpoint: {self.path}.", "text/plain")

    def put(self):
        conf = self.server.region.conf
        form = self.form()
        if not self.is_authorized():
            return
        match = re.fullmatch(r"/MAAS/api/2.0/(?:fabrics/0/vlans/(\d+)|vlans/(\d+))/", self.path)
        found = [vlan for vlan in vlans(conf) if match and match[1 if match[1] else 2] == str(vlan["vid" if match[1] else "id"])]
        if not found:
            self.answer(404, "No VLAN matches the given query.", "text/plain")
            return
        problems = vlan_problems(conf, found[0], form)
        if problems:
            self.answer(400, problems)
            return
        wanted = racks_after(found[0], form)
        is_on = boolean(form["dhcp_on"]) if "dhcp_on" in form else found[0]["dhcp_on"]
        before = vlans(conf)
        set_vlan(conf, {**wanted, "dhcp_on": is_on})
        if self.tells_racks(conf, before):
            self.answer(200, vlans(conf)[0])

    def delete(self):
        conf = self.server.region.conf
        match = re.fullmatch(r"/MAAS/api/2.0/(region|rack)controllers/(\w+)/(\?force=true)?", self.path)
        if not self.is_authorized():
            return
        kind = match and {"region": 3, "rack": 2}[match[1]]
        name = match and query(conf, "SELECT hostname, node_type FROM maasserver_node WHERE system_id = %s AND node_type IN (%s, 4)", (match[2], kind))
        if not name:
            model = "RackController" if kind == 2 else "RegionController"
            self.answer(404, f"No {model} matches the given query.", "text/plain")
        elif kind == 3 and query(conf, "SELECT 1 FROM maasserver_regionprocess WHERE system_id = %s", (match[2],)):
            self.answer(400, f"Unable to delete {name[0][0]} as it's currently running.", "text/plain")
        elif kind == 2:
            self.delete_rack(conf, match[2], *name[0], is_forced=bool(match[3]))
        else:
            self.forget(conf, match[2], name[0][1], kind)
            self.answer(204, b"", "text/plain")

    def tells_racks(self, conf, before):
        """From 3.7 on Temporal tells them of a change of DHCP, once it is committed; where that is down, the answer is a 500."""
        changed = any(old["dhcp_on"] or new["dhcp_on"] for old, new in zip(before, vlans(conf)) if any(new[name] != old[name] for name in new))
        if SNAP or SHORT < (3, 7) or not changed:
            return True
        try:
            socket.create_connection((settings()["address"] or "localhost", TEMPORAL_PORT), timeout=5).close()
            return True
        except OSError as error:
            self.answer(500, f"Failed client connect: Server connection error: {error}", "text/plain; charset=utf-8")
            return False

    def forget(self, conf, system_id, node_type, kind):
        # One that is both goes on as the other.
        if node_type == 4:
            query(conf, "UPDATE maasserver_node SET node_type = %s WHERE system_id = %s", (5 - kind, system_id))
        else:
            query(conf, "DELETE FROM maasserver_node WHERE system_id = %s", (system_id,))

    def delete_rack(self, conf, rack, name, node_type, is_forced):
        """Others take over its DHCP. VLANs without DHCP keep it as their primary rack, and so it cannot go."""
        after = [vlan_without(conf, vlan, rack) for vlan in vlans(conf)]
        disabled = [vlan for vlan in after if vlan["was_on"] and not vlan["dhcp_on"]]
        if disabled and not is_forced:
            self.answer(
                400,
                f"Unable to delete '{name}'; it is currently set as a primary rack controller on VLANs "
                f"{', '.join(vlan['fabric'] + '.' + vlan['name'] for vlan in disabled)} and no other rack controller can provide DHCP.",
                "text/plain",
            )
            return
        if node_type != 4 and any(vlan["primary_rack"] == rack for vlan in after):
            self.answer(500, PROTECTED_RACK, "text/plain; charset=utf-8")
            return
        before = vlans(conf)
        for vlan in after:
            set_vlan(conf, vlan)
        self.forget(conf, rack, node_type, 2)
        if self.tells_racks(conf, before):
            self.answer(204, b"", "text/plain")

    def is_authorized(self):
        """OAuth 1.0a with the signature method PLAINTEXT."""
        header = self.headers.get("Authorization", "")
        fields = {name: urllib.parse.unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}
        if not header.startswith("OAuth "):
            self.answer(400, "Unrecognised signature: method=GET op=None", "text/plain")
            return False
        key = f"{fields.get('oauth_consumer_key')}:{fields.get('oauth_token')}:{fields.get('oauth_signature', '')[1:]}"
        if query(self.server.region.conf, "SELECT 1 FROM piston3_token WHERE key = %s", (key,)):
            return True
        self.answer(401, "Authorization Error: Invalid API key.", "text/plain")
        return False


def form_boolean(value):
    return value not in ("False", "false", "0", "")


def form_url(value):
    """As a URLField of Django: a name without a domain is none."""
    host = urllib.parse.urlsplit(value).hostname or ""
    is_host = re.fullmatch(r"[\d.]+|localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[0-9a-f:]+", host)
    if value and not (is_host and re.match(r"(https?|ftp)://", value)):
        raise ValueError("Enter a valid URL.")
    return value


def form_addresses(value):
    addresses = [word for word in re.split(r"[,\s]+", value) if word]
    for address in addresses:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise ValueError(f"Invalid IP address: {address}; provide a list of space-separated IP addresses")
    return " ".join(addresses)


# The settings of MAAS that charms and `edit_named_options` are about.
CONFIG_ITEMS = {
    "enable_http_proxy": (form_boolean, True),
    "http_proxy": (form_url, None),
    "upstream_dns": (form_addresses, None),
    "dnssec_validation": (text, "auto"),
    "prometheus_enabled": (form_boolean, False),
}


def unknown_setting(name):
    names = ", ".join(sorted(CONFIG_ITEMS))
    return {name: [f"{name} is not a valid config setting (valid settings are: {names})."]}


def get_config(conf, name):
    rows = query(conf, "SELECT value FROM maasserver_config WHERE name = %s", (name,))
    return json.loads(rows[0][0]) if rows else CONFIG_ITEMS[name][1]


def set_config(conf, name, value):
    query(
        conf,
        "INSERT INTO maasserver_config VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, json.dumps(value)),
    )


NODE_TYPES = {2: "Rack controller", 3: "Region controller", 4: "Region and rack controller"}


def controller(conf, is_rack, kind, system_id, name, address, version, reported, addresses):
    """
    As the API shows it. Every controller has one interface with static addresses, on the one VLAN; once that is known. Unlike
    the real ones, racks tell only of the address that they connect from.
    """
    addresses = addresses or [address]
    links = [{"mode": "static", "ip_address": each} for each in addresses]
    link = {"name": "eth0", "vlan": {"id": 5001, "vid": 0, "fabric_id": 0}, "links": links}
    services = {"service_set": [rackd_service(conf, system_id)]} if is_rack else {}
    return {
        "system_id": system_id,
        "hostname": name,
        "fqdn": f"{name}.maas",
        "node_type": kind,
        "node_type_name": NODE_TYPES[kind],
        "version": version,
        "ip_addresses": addresses,
        "interface_set": [link] if reported or kind != 3 else [],
        **services,
    }


def vlans(conf):
    rows = query(conf, "SELECT id, vid, dhcp_on, primary_rack, secondary_rack FROM maasserver_vlan ORDER BY 1")
    names = ("id", "vid", "dhcp_on", "primary_rack", "secondary_rack")
    return [{"name": "untagged", "fabric": "fabric-0", "fabric_id": 0, "mtu": 1500, **dict(zip(names, row))} for row in rows]


def set_vlan(conf, vlan):
    query(
        conf,
        "UPDATE maasserver_vlan SET dhcp_on = %s, primary_rack = %s, secondary_rack = %s WHERE id = %s",
        (vlan["dhcp_on"], vlan["primary_rack"], vlan["secondary_rack"], vlan["id"]),
    )


# What Django says of a rack that a VLAN without DHCP still names.
PROTECTED_RACK = (
    "(\"Cannot delete some instances of model 'RackController' because they are referenced through protected foreign keys: "
    "'VLAN.primary_rack', 'NodeConfig.node'.\", {<VLAN: fabric-0.untagged>})"
)


def vlan_without(conf, vlan, rack):
    """A VLAN once one of its racks is deleted: a rack that has an interface there takes the place that becomes free."""
    primary, secondary, is_on = vlan["primary_rack"], vlan["secondary_rack"], vlan["dhcp_on"]
    if is_on and rack in (primary, secondary):
        rows = query(
            conf,
            "SELECT system_id FROM maasserver_node WHERE node_type IN (2, 4) AND system_id <> ALL (%s) ORDER BY 1",
            ([each for each in (rack, primary, secondary) if each],),
        )
        primary, secondary, *_ = [each for each in (primary, secondary) if each and each != rack] + [row[0] for row in rows] + [None, None]
        if vlan["secondary_rack"] is None:
            # One that was alone has one successor.
            secondary = None
    elif secondary == rack:
        secondary = None
    return {**vlan, "was_on": is_on, "dhcp_on": is_on and primary is not None, "primary_rack": primary, "secondary_rack": secondary}


def rackd_service(conf, rack):
    """By how many processes of regions a rack is connected to."""
    ((connected, processes, regions, dead),) = query(
        conf,
        "SELECT (SELECT count(*) FROM maasserver_regionrackrpcconnection c JOIN maasserver_regionprocess p "
        "ON (c.region, c.port) = (p.system_id, p.port) WHERE rack = %s), (SELECT count(*) FROM maasserver_regionprocess), "
        "count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM maasserver_regionprocess p WHERE p.system_id = n.system_id)) "
        "FROM maasserver_node n WHERE node_type IN (3, 4)",
        (rack,),
    )
    if not connected:
        return {"name": "rackd", "status": "dead", "status_info": ""}
    missing = dead * 4 + processes - connected
    if not missing:
        return {"name": "rackd", "status": "running", "status_info": ""}
    info = f"{1 - missing / (regions * 4):.0%} connected to region controllers."
    return {"name": "rackd", "status": "degraded", "status_info": info}


def vlan_problems(conf, vlan, form):
    """What MAAS' own form refuses, in its words."""
    problems = {}
    racks = {row[0] for row in query(conf, "SELECT system_id FROM maasserver_node WHERE node_type IN (2, 4)")}
    for name in ("primary_rack", "secondary_rack"):
        if form.get(name) and form[name] not in racks:
            problems[name] = [f"Select a valid choice. {form[name]} is not one of the available choices."]
    wanted = racks_after(vlan, form)
    if "dhcp_on" in form and boolean(form["dhcp_on"]):
        if not query(conf, "SELECT 1 FROM maasserver_iprange WHERE vlan = %s", (vlan["id"],)):
            problems["dhcp_on"] = ["dhcp can only be turned on when a dynamic IP range is defined."]
        elif not wanted["primary_rack"] and not problems:
            problems["__all__"] = ["dhcp can only be turned on when a primary rack controller is set."]
    if wanted["secondary_rack"] and wanted["secondary_rack"] == vlan["primary_rack"]:
        problems["__all__"] = [f"{wanted['secondary_rack']} is already set as the primary rack controller"]
    elif wanted["primary_rack"] and wanted["primary_rack"] == wanted["secondary_rack"]:
        problems["__all__"] = ["The primary and secondary rack must be different"]
    elif (
        wanted["primary_rack"]
        and wanted["primary_rack"] == vlan["primary_rack"]
        and wanted["secondary_rack"] not in (None, vlan["secondary_rack"])
        and not problems
        and rackd_service(conf, wanted["primary_rack"])["status"] == "dead"
    ):
        problems["__all__"] = [DEAD_PRIMARY]
    return problems


DEAD_PRIMARY = (
    "The primary rack controller must be up and running to set a secondary rack controller. Without the primary "
    "the secondary DHCP service will not be able to synchronize, preventing it from responding to DHCP requests."
)


def racks_after(vlan, form):
    """The racks of a VLAN as MAAS' own form makes them of what is given: who becomes primary is secondary no more."""
    wanted = {**vlan, **{name: value or None for name, value in form.items() if name.endswith("_rack")}}
    if wanted["primary_rack"] is None and vlan["secondary_rack"]:
        return {**wanted, "primary_rack": vlan["secondary_rack"], "secondary_rack": None}
    if wanted["primary_rack"] and wanted["primary_rack"] == vlan["secondary_rack"]:
        return {**wanted, "secondary_rack": None}
    return wanted


def regiond_main():
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


# --- maas-http: nginx in front of regiond --------------------------------------------------------------------------


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


def http_main():
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


def read_start(name):
    """What a service of MAAS does first: it reads regiond.conf, and connects."""
    conf = read_config(REGIOND_CONF, REGION_OPTIONS)[1]
    connect(conf).close()
    log(f"{name} uses the database on {conf['database_host']}")


def apiserver_main():
    """Two servers in one from 3.6 on: only the second one hears a signal, and the first one serves on."""
    read_start("maas-apiserver")
    if SHORT >= (3, 6):
        if not has_certificates():
            raise TypeError("cannot unpack non-iterable NoneType object")
        signal.signal(signal.SIGTERM, lambda *_: log("Shutting down"))
    while True:
        signal.pause()


def temporal_main():
    """It ends where regiond has not configured it yet, and nobody starts it again by itself."""
    with open(TEMPORAL_CONF) as file:
        log(f"temporal-server: {file.read()}")
    with socket.create_server((settings()["address"], TEMPORAL_PORT)) as server:
        while True:
            server.accept()[0].close()


def temporal_worker_main():
    read_start("maas-temporal-worker")
    if not has_certificates():
        raise TypeError("cannot unpack non-iterable NoneType object")
    signal.pause()


# --- rackd ---------------------------------------------------------------------------------------------------------


class Rack:
    """One rack controller: connected to every event loop of every region."""

    def __init__(self, secret):
        self.secret = secret
        self.connections = {}
        self.announced = None
        self.remembered = None
        self.remembering = threading.Lock()

    def run(self):
        while True:
            loops = self.find()
            for name, endpoint in loops.items():
                if name not in self.connections:
                    self.connections[name] = None
                    threading.Thread(target=self.keep, args=(name, endpoint), daemon=True).start()
            alive = [name for name, state in list(self.connections.items()) if state]
            self.announce(loops, alive)
            time.sleep(scaled(30) if loops and len(alive) == len(loops) else 1)

    def announce(self, loops, alive):
        regions = sorted({name.split(":")[0] for name in loops})
        if not loops or len(alive) < len(loops) or self.announced == (sorted(loops)):
            return
        self.announced = sorted(loops)
        log(f"Fully connected to all {len(loops)} event-loops on all {len(regions)} region controllers ({', '.join(regions)}).")

    def find(self):
        """Asks every URL of the file, read anew each time, and if none answers the regions it knows already."""
        try:
            configured = read_config(RACKD_CONF, RACK_OPTIONS)[1]["maas_url"]
            configured = configured if isinstance(configured, list) else [configured]
        except Exception as error:
            log(f"{RACKD_CONF}: {error}")
            configured = []
        for base in [*configured, *read_own("rpc.state").split()]:
            try:
                with urllib.request.urlopen(f"{base}/rpc/", timeout=5) as reply:
                    loops = json.load(reply)["eventloops"] or {}
                return {name: endpoints[0] for name, endpoints in loops.items()}
            except (OSError, ValueError, http.client.HTTPException) as error:
                log(f"Region not available: {error} (While requesting RPC info at {base}).")
        return {}

    def remember(self):
        """Only when a region has taken the rack in, and the regions that have are others than before."""
        with self.remembering:
            now = sorted({host for host in list(self.connections.values()) if host})
            if SHORT >= (2, 5) and now != self.remembered:
                write_own("rpc.state", "".join(f"http://{host}:5240/MAAS\n" for host in now))
                self.remembered = now

    def keep(self, name, endpoint):
        try:
            with socket.create_connection(tuple(endpoint), timeout=10) as connection, connection.makefile("rw") as stream:
                challenge = stream.readline().strip()
                greeting = {"digest": proof(self.secret, challenge), "hostname": hostname(), "system_id": read_own("maas_id")}
                print(json.dumps(greeting), file=stream, flush=True)
                reply = stream.readline()
                if not reply:
                    log(f"Event-loop '{name}' FAILED authentication; dropping connection.")
                    return
                write_own("maas_id", json.loads(reply)["system_id"])
                log(f"Event-loop '{name}' authenticated.")
                self.connections[name] = endpoint[0]
                self.remember()
                while True:
                    print("{}", file=stream, flush=True)
                    reply = stream.readline()
                    if not reply:
                        break
                    if json.loads(reply)["deleted"]:
                        log("Deleted by a region: the secret goes, and rackd starts anew.")
                        os.unlink(f"{HOME}/secret")
                        os._exit(0)
                    time.sleep(1)
        except (OSError, ValueError) as error:
            log(f"Event-loop {name} ({endpoint[0]}:{endpoint[1]}): An error occurred while connecting: {error}.")
        finally:
            if self.connections.get(name):
                log(f"ClusterClient connection lost (to {name})")
            time.sleep(0.5)
            self.connections.pop(name, None)


def rackd_main():
    end = time.time() + scaled(300)
    # Until 2.8 rackd starts without, and is refused by every region.
    while SHORT >= (2, 9) and not read_own("secret"):
        if time.time() > end:
            log("No shared secret: rackd runs without any service until it is restarted.")
            signal.pause()
        time.sleep(1)
    Rack(read_own("secret")).run()


# --- maas-rack -----------------------------------------------------------------------------------------------------


def begin_rack_command():
    """Each of them reads the secret that is there, whatever it is about."""
    begin_command()
    binascii.a2b_hex(read_own("secret"))


def run_rack_command(parser):
    args = parser.parse_args()
    if not hasattr(args, "run"):
        parser.error("Choose a sub-command.")
    run_command(args)


def rack_boolean(value):
    try:
        return boolean(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error))


def change_rackd_conf(changes):
    """Always a new file, also where nothing is to change."""
    create_config(RACKD_CONF)
    data = read_config(RACKD_CONF, RACK_OPTIONS)[0]
    for name, value in changes.items():
        if value is not None:
            data[name] = RACK_OPTIONS[name][0](value)
    write_config(RACKD_CONF, data)


def rack_url(urls_given):
    return urls_given if SHORT >= (2, 5) or not urls_given else urls_given[-1]


def rack_config(args):
    changes = {name: getattr(args, name, None) for name in ("tftp_port", "tftp_root", "debug")}
    if SHORT < (3, 5):
        create_config(RACKD_CONF)
        known = read_config(RACKD_CONF, RACK_OPTIONS)[0].get("cluster_uuid")
        changes["cluster_uuid"] = args.uuid or (str(uuid.uuid4()) if args.init and not known else None)
    change_rackd_conf({"maas_url": rack_url(args.region_url), **changes})


def install_secret(_args):
    if sys.stdin.isatty():
        try:
            line = input("Secret (hex/base16 encoded): ").strip()
        except EOFError:
            print()
            sys.exit(1)
    else:
        line = sys.stdin.readline().strip()
    try:
        binascii.a2b_hex(line)
    except binascii.Error as error:
        print("Secret could not be decoded:", error, file=sys.stderr)
        sys.exit(1)
    set_secret(line)
    print(f"Secret installed to {HOME}/secret.")
    sys.exit(0)


def set_secret(secret):
    if secret.strip():
        write_own("secret", secret.strip())
    elif os.path.exists(f"{HOME}/secret"):
        os.unlink(f"{HOME}/secret")


def rack_register(args):
    if not sys.stdin.isatty() and args.url is None:
        print(
            "MAAS region controller URL must be given when supplying the shared secret via stdin with a "
            "non-interactive shell."
        )
        sys.exit(1)
    systemctl_for_rack("Unable to stop maas-rackd service.", ["stop"])
    if os.path.exists(f"{HOME}/maas_id"):
        os.unlink(f"{HOME}/maas_id")
    if args.url is not None:
        change_rackd_conf({"maas_url": rack_url(args.url)})
    else:
        try:
            given = input("MAAS region controller URL: ")
        except EOFError:
            print()
            sys.exit(1)
        change_rackd_conf({"maas_url": given})
        print(f"MAAS region controller URL saved as {given}.")
    if args.secret is not None:
        # Whatever it is.
        set_secret(args.secret)
    else:
        # The real one ends here as well, before it starts rackd.
        install_secret(args)
    systemctl_for_rack("Unable to enable and start the maas-rackd service.", ["enable", "start"])


def systemctl_for_rack(problem, verbs):
    for verb in verbs:
        done = subprocess.run(["systemctl", verb, "maas-rackd"], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{problem}\nFailed with error: {done.stderr.strip()}.", file=sys.stderr)
            sys.exit(1)


def rack_main():
    begin_rack_command()
    parser = argparse.ArgumentParser(prog="maas-rack")
    verbs = parser.add_subparsers(dest="verb")
    config = verbs.add_parser("config")
    config.set_defaults(run=rack_config)
    config.add_argument("--region-url", action="append")
    config.add_argument("--tftp-port")
    config.add_argument("--tftp-root")
    if SHORT >= (2, 4):
        config.add_argument("--debug", type=rack_boolean)
    if SHORT < (3, 5):
        group = config.add_mutually_exclusive_group()
        group.add_argument("--uuid")
        group.add_argument("--init", action="store_true")
    verbs.add_parser("install-shared-secret").set_defaults(run=install_secret)
    register = verbs.add_parser("register")
    register.set_defaults(run=rack_register)
    register.add_argument("--url", action="append")
    register.add_argument("--secret")
    run_rack_command(parser)


# --- The snap ------------------------------------------------------------------------------------------------------


def snap_mode():
    try:
        with open(MODE_FILE) as file:
            return file.read().strip()
    except FileNotFoundError:
        return "none"


def set_snap_mode(mode):
    with open(MODE_FILE, "w") as file:
        file.write(mode)


def read_input(prompt):
    """As MAAS does it: at the end of the input it asks again, for ever."""
    while True:
        try:
            return input(prompt)
        except EOFError:
            print()


def required_prompt(title):
    value = ""
    while not value or value == "help":
        value = read_input(f"{title}: ")
    return value


def update_yaml(path, values):
    """In place, with the mode that a new file has by itself."""
    try:
        with open(path) as file:
            data = yaml.safe_load(file) or {}
    except FileNotFoundError:
        data = {}
    data = {key: value for key, value in {**data, **values}.items() if value is not None}
    with open(path, "w") as file:
        yaml.safe_dump(data, file, default_flow_style=False)


def database_settings(uri):
    uri = uri or required_prompt("Database URI")
    if not uri.startswith("postgres://"):
        raise CommandError("Database URI needs to be either 'maas-test-db:///' or start with 'postgres://'")
    try:
        parsed = psycopg2.extensions.parse_dsn(uri)
    except psycopg2.ProgrammingError as error:
        raise CommandError(f"Error parsing database URI: {str(error).strip()}")
    unsupported = set(parsed) - {"user", "password", "host", "dbname", "port"}
    if unsupported:
        raise CommandError(f"Error parsing database URI: Unsupported parameters: {', '.join(sorted(unsupported))}")
    if "user" not in parsed:
        raise CommandError(f"No user found in URI: {uri}")
    values = {
        "database_host": parsed.get("host", "localhost"),
        "database_name": parsed.get("dbname", parsed["user"]),
        "database_user": parsed["user"],
        "database_pass": parsed.get("password"),
    }
    return {**values, "database_port": int(parsed["port"])} if "port" in parsed else values


def has_no_tables():
    try:
        conf = read_config(REGIOND_CONF, REGION_OPTIONS)[1]
        return not query(conf, "SELECT 1 FROM pg_tables WHERE schemaname = 'public' LIMIT 1")
    except Exception:
        return True


def snapctl(verb):
    subprocess.run(["snapctl", verb, "maas.pebble" if SHORT >= (3, 5) else "maas.supervisor"], check=False)


def maas_init(args):
    mode = args.run_mode
    if snap_mode() != "none" and not args.force:
        print("Controller has already been initialized.")
        answer = ""
        while answer not in ("yes", "no"):
            answer = read_input("Are you sure you want to initialize again (yes/no) [default=no]? ") or "no"
        if answer == "no":
            sys.exit(0)
    values = database_settings(args.database_uri) if mode != "rack" else {}
    maas_url = args.maas_url or required_prompt("MAAS URL")
    secret = (args.secret or required_prompt("Secret")) if mode == "rack" else None
    if snap_mode() != "none":
        print("Stopping services", flush=True)
        snapctl("stop")
    if SHORT >= (3, 5):
        for name in os.listdir(f"{SNAP_DATA}/certificates"):
            os.unlink(f"{SNAP_DATA}/certificates/{name}")
    update_yaml(REGIOND_CONF, {"maas_url": maas_url, **values})
    update_yaml(RACKD_CONF, {"maas_url": maas_url})
    if secret:
        with open(f"{HOME}/secret", "w") as file:
            file.write(secret)
    elif os.path.exists(f"{HOME}/secret"):
        os.unlink(f"{HOME}/secret")
    if mode != "rack" and has_no_tables():
        print("Performing database migrations", flush=True)
        dbupgrade(args)
    print("Starting services", flush=True)
    set_snap_mode(mode)
    # The old supervisor is told to read its configuration anew, and only where it runs.
    snapctl("restart" if SHORT >= (3, 5) else "try-restart")


def maas_migrate(args):
    is_region = snap_mode() in ("region", "region+rack")
    if args.configure and not is_region:
        return
    if snap_mode() == "none":
        print("MAAS is not configured")
        sys.exit(1)
    if not is_region:
        print("Mode 'rack' is not connected to a database. No migrations to perform.")
        sys.exit(1)
    dbupgrade(args)


def maas_status(_args):
    if snap_mode() == "none":
        print("MAAS is not configured")
        sys.exit(1)
    print("Service  Startup  Current  Since")
    for part in SNAP_PARTS:
        if part[0] in snap_mode().split("+"):
            print(f"{part[1]}  enabled  active  today")


def maas_main():
    """The command `maas`, as far as the snap adds to it."""
    parser = argparse.ArgumentParser(prog="maas")
    verbs = parser.add_subparsers(dest="verb", required=True)
    init = verbs.add_parser("init")
    init.set_defaults(run=maas_init)
    modes = init.add_subparsers(dest="run_mode", required=True)
    for mode in ("region+rack", "region", "rack"):
        sub = modes.add_parser(mode)
        sub.set_defaults(database_uri=None, secret=None)
        sub.add_argument("--maas-url")
        sub.add_argument("--force", action="store_true")
        if mode == "rack":
            sub.add_argument("--secret")
        else:
            sub.add_argument("--database-uri")
            sub.add_argument("--num-workers", type=int)
    migrate = verbs.add_parser("migrate")
    migrate.set_defaults(run=maas_migrate)
    migrate.add_argument("--configure", action="store_true")
    verbs.add_parser("status").set_defaults(run=maas_status)
    args = parser.parse_args()
    if os.geteuid() != 0:
        print(f"The '{args.verb}' command must be run by root.", file=sys.stderr)
        sys.exit(1)
    try:
        args.run(args)
    except CommandError as error:
        # The real one shows a traceback.
        print(f"maascli.command.CommandError: {error}", file=sys.stderr)
        sys.exit(1)


# What each kind of controller runs, and with what.
SNAP_PARTS = [("region", "http", "http_main"), ("region", "regiond", "regiond_main"), ("rack", "rackd", "rackd_main")]


def start_part(name, command):
    """From 3.5 on what a part says is in the journal, before in a file of its own."""
    if SHORT >= (3, 5):
        return subprocess.Popen(["systemd-cat", f"--identifier=maas-{name}", *command])
    with open(f"{SNAP_COMMON}/log/{name}.log", "a") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)


def pebble_main():
    """The one service of the snap: it runs what the mode says when it starts, and ends all of it with a signal that they hear."""
    mode = snap_mode().split("+")
    parts = {}
    # Only noted: in the middle of a start, nobody would end what is being started.
    stops = []
    signal.signal(signal.SIGTERM, lambda *_: stops.append(True))
    while not stops:
        for role, name, entry in SNAP_PARTS:
            if role in mode and (name not in parts or parts[name].poll() is not None):
                parts[name] = start_part(name, [sys.executable, "-c", f"from maas_double import {entry}; {entry}()"])
        time.sleep(0.1)
    for process in parts.values():
        process.terminate()
    for process in parts.values():
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
