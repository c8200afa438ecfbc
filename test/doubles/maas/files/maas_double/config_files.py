"""Configuration files: regiond.conf and rackd.conf."""

import grp
import os
import re
import urllib.parse
import uuid

import yaml

from .environment import HOME, REGIOND_CONF, SHORT, settings


def text(value):
    if not isinstance(value, str):
        raise ValueError(f"The input must be a Unicode string (not a {type(value).__name__}: {value!r})")
    return value


def number(least, most=None):
    def check(value):
        if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
            raise ValueError("Please enter an integer value.")
        if int(value) < least:
            raise ValueError(f"Please enter a number that is {least} or greater.")
        if most is not None and int(value) > most:
            raise ValueError(f"Please enter a number that is {most} or smaller.")
        return int(value)

    return check


def uuid_text(value):
    try:
        uuid.UUID(value)
        return value
    except (ValueError, AttributeError):
        raise ValueError(f"{value!r} Failed to parse UUID")


def boolean(value):
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "t", "yes", "y", "on", "1"):
        return True
    if str(value).lower() in ("false", "f", "no", "n", "off", "0"):
        return False
    raise ValueError("Value should be 'true' or 'false'")


def url(value):
    if value in (None, ""):
        return None
    value = text(value)
    if "://" not in value:
        value = f"http://{value}"
    parts = urllib.parse.urlsplit(value)
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("That is not a valid URL.")
    if parts.scheme not in ("http", "https") or not host or not re.fullmatch(r"[A-Za-z0-9.:-]+", host):
        raise ValueError("That is not a valid URL.")
    if ":" in host and "[" not in parts.netloc:
        raise ValueError("That is not a valid URL.")
    if re.fullmatch(r"[\d.]+", host) and any(int(part or 256) > 255 for part in host.split(".")):
        raise ValueError("That is not a valid URL.")
    return value


def urls(value):
    return [url(item) for item in (value if isinstance(value, list) else [value])]


REGION_OPTIONS = {
    "maas_url": (url, "http://localhost:5240/MAAS"),
    "database_host": (text, "localhost"),
    "database_port": (number(1, 65535), 5432),
    "database_name": (text, "maasdb"),
    "database_user": (text, "maas"),
    "database_pass": (text, ""),
}
RACK_OPTIONS = {
    # A list since 2.5, where a text alone still counts as one.
    "maas_url": (urls, ["http://localhost:5240/MAAS"]) if SHORT >= (2, 5) else (url, "http://localhost:5240/MAAS"),
    "tftp_port": (number(1, 65535), 69),
    "tftp_root": (text, "/var/lib/maas/boot-resources/current/"),
}
if SHORT >= (2, 4):
    REGION_OPTIONS["database_conn_max_age"] = (number(0), 300)
    REGION_OPTIONS["num_workers"] = (number(1), 4)
    for name in ("debug", "debug_queries", "debug_http"):
        REGION_OPTIONS[name] = (boolean, False)
    RACK_OPTIONS["debug"] = (boolean, False)
if SHORT >= (2, 5):
    REGION_OPTIONS["database_keepalive"] = (boolean, True)
    for name, default in (("idle", 15), ("interval", 15), ("count", 2)):
        REGION_OPTIONS[f"database_keepalive_{name}"] = (number(0), default)
if SHORT >= (3, 3):
    for name in ("vault_url", "vault_secrets_mount", "vault_secrets_path", "vault_approle_id", "vault_secret_id"):
        REGION_OPTIONS[name] = (text, "")
    for name, default in (("max_idle_rpc_connections", 1), ("max_rpc_connections", 4), ("rpc_keepalive", 1000)):
        RACK_OPTIONS[name] = (number(1), default)
if SHORT >= (3, 5):
    REGION_OPTIONS["broadcast_address"] = (text, "")
    RACK_OPTIONS["tftp_root"] = (text, f"{HOME}/tftp_root")
    RACK_OPTIONS["tftp_max_blksize"] = (number(8, 8192), 8192)
    RACK_OPTIONS["httpproxy_cache_size"] = (number(1), 20 * 1000**3)
else:
    RACK_OPTIONS["cluster_uuid"] = (uuid_text, None)


def read_config(path, options):
    """Every option is checked whenever the file is read; keys that MAAS does not know stay and are ignored."""
    with open(path) as file:
        data = yaml.safe_load(file) or {}
    if not isinstance(data, dict):
        raise ValueError(f"Configuration in {path} is not a mapping: {data!r}")
    values = {name: check(data[name]) if name in data else default for name, (check, default) in options.items()}
    if isinstance(data.get("database_port"), str):
        raise TypeError("'<=' not supported between instances of 'str' and 'int'")
    return data, values


class ImproperlyConfigured(Exception):
    """What Django says of a file that MAAS could not read; what was wrong with it MAAS swallows."""


def django_config():
    """regiond.conf, for all that works with the database."""
    try:
        return read_config(REGIOND_CONF, REGION_OPTIONS)[1]
    except Exception:
        raise ImproperlyConfigured("settings.DATABASES is improperly configured. Please supply the ENGINE value.")


def write_config(path, data):
    """Always a new file, with the mode and owner of the old one."""
    try:
        before = os.stat(path)
        mode, uid, gid = before.st_mode & 0o777, before.st_uid, before.st_gid
    except FileNotFoundError:
        mode, uid, gid = 0o640, 0, grp.getgrnam(settings()["group"]).gr_gid
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w") as file:
        if data:
            yaml.safe_dump(data, file, default_flow_style=False)
    os.chmod(temporary, mode)
    os.chown(temporary, uid, gid)
    os.rename(temporary, path)


def create_config(path):
    if not os.path.exists(path):
        write_config(path, {})
