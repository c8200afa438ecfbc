"""Which MAAS this is, where it has its files, and what a test sets of it."""

import os

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


def log(message):
    print(message, flush=True)
