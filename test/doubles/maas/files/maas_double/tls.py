"""`maas-region config_tls`."""

import argparse
import json
import os
import re
import ssl
import tempfile

from .config_files import django_config
from .database import query
from .environment import SNAP, SNAP_COMMON, SNAP_DATA


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
    # The first certificate of the file; what leads from it counts only if it is in another one.
    found = CERTIFICATE.findall(args.cert)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{found[0] if found else ''}\n{args.key}")
        file.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file.name, password=refuse_passphrase)
        except ssl.SSLError as error:
            what = "Private and public keys don't match" if "MISMATCH" in str(error) else "Invalid PEM material"
            raise CertificateError(what)
    tls = {"key": args.key, "cert": found[0], "cacert": args.cacert or "", "port": args.port}
    query(
        conf,
        "INSERT INTO maasserver_secret VALUES ('tls', %s) ON CONFLICT (path) DO UPDATE SET value = excluded.value",
        (json.dumps(tls),),
    )


def given(path):
    """The text of a file that the user names, which is opened before anything is asked. A snap is confined to its own folders, also where root calls it."""
    real = os.path.realpath(path)
    try:
        if SNAP and not real.startswith((f"{os.path.realpath(SNAP_COMMON)}/", f"{os.path.realpath(SNAP_DATA)}/")):
            raise PermissionError(13, "Permission denied", path)
        with open(path) as file:
            return file.read()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"can't open '{path}': {error}")


CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)


class CertificateError(Exception):
    """What MAAS says of a certificate that it does not take, with a traceback."""


def refuse_passphrase():
    raise CertificateError("Private key can't have a passphrase")
