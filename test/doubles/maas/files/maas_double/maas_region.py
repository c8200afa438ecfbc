import argparse
import getpass
import hashlib
import json
import secrets
import string
import sys

import psycopg2
import yaml

from .commands import CommandError, begin_command, run_command
from .config_files import REGION_OPTIONS, create_config, django_config, read_config, write_config
from .database import query
from .environment import REGIOND_CONF, ROOT, SHORT
from .migration import dbupgrade
from .named_options import edit_named_options
from .shell import shell
from .tls import config_tls, given


class OldSubparser(argparse.ArgumentParser):
    """Before Django 4, which MAAS 3.6 has, a wrong call of a command below a command ends in a traceback."""

    def error(self, message):
        raise CommandError(f"Error: {message}")


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


def main():
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
    tls = verbs.add_parser("config_tls").add_subparsers(
        dest="command", required=True, parser_class=argparse.ArgumentParser if SHORT >= (3, 6) else OldSubparser
    )
    enable = tls.add_parser("enable")
    for name in ("key", "cert", "--cacert"):
        enable.add_argument(name, type=given)
    enable.add_argument("-p", "--port", default=5443, type=int)
    enable.add_argument("--yes", action="store_true")
    for verb in (enable, tls.add_parser("disable")):
        verb.set_defaults(run=config_tls)
    run_command(parser.parse_args())
