"""The command `maas`, as far as the snap adds to it."""

import argparse
import os
import subprocess
import sys

import psycopg2
import yaml

from .commands import CommandError
from .config_files import REGION_OPTIONS, read_config
from .database import query
from .environment import HOME, RACKD_CONF, REGIOND_CONF, SHORT, SNAP_DATA
from .migration import dbupgrade
from .snap_mode import SNAP_PARTS, set_snap_mode, snap_mode


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


def main():
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
