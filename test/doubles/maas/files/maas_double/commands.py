"""How a command of MAAS begins and ends."""

import binascii
import grp
import os
import sys

from .environment import ROOT, settings
from .own_files import read_own


class CommandError(Exception):
    """Something that a command says without a traceback, after the name of its kind."""

    def __init__(self, message, kind="CommandError"):
        super().__init__(message)
        self.kind = kind


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


def begin_rack_command():
    """Each of them reads the secret that is there, whatever it is about."""
    begin_command()
    binascii.a2b_hex(read_own("secret"))


def run_rack_command(parser):
    args = parser.parse_args()
    if not hasattr(args, "run"):
        parser.error("Choose a sub-command.")
    run_command(args)
