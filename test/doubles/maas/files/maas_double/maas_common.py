"""/usr/lib/maas/maas-common: what both kinds of controller need."""

import argparse
import base64
import glob
import os
import secrets
import sys

from .commands import CommandError, begin_rack_command, run_rack_command
from .environment import ROOT
from .named_options import edit_named_options
from .own_files import write_atomically

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


def main():
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
