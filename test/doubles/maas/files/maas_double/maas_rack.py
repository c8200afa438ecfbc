import argparse
import binascii
import os
import subprocess
import sys
import uuid

from .commands import begin_rack_command, run_rack_command
from .config_files import RACK_OPTIONS, boolean, create_config, read_config, write_config
from .environment import HOME, RACKD_CONF, SHORT
from .own_files import write_own


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


def main():
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
