"""dbupgrade: MAAS' own migrations, and Temporal's."""

import os
import sys
import time

import psycopg2

from .config_files import django_config
from .database import connect
from .environment import FULL, SHORT, VERSION, log, settings
from .identity import hostname

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
