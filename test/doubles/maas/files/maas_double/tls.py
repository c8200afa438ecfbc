"""`maas-region config_tls`."""

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
