"""Connections to the database, and one transaction on one of them."""

import threading
import time

import psycopg2

from .config_files import REGION_OPTIONS, read_config
from .environment import REGIOND_CONF, log


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


def read_start(name):
    """What a service of MAAS does first: it reads regiond.conf, and connects."""
    conf = read_config(REGIOND_CONF, REGION_OPTIONS)[1]
    connect(conf).close()
    log(f"{name} uses the database on {conf['database_host']}")
