"""MAAS' settings, which are in the database."""

import ipaddress
import json
import re
import urllib.parse

from .config_files import text
from .database import query


def form_boolean(value):
    return value not in ("False", "false", "0", "")


def form_url(value):
    """As a URLField of Django: a name without a domain is none."""
    host = urllib.parse.urlsplit(value).hostname or ""
    is_host = re.fullmatch(r"[\d.]+|localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[0-9a-f:]+", host)
    if value and not (is_host and re.match(r"(https?|ftp)://", value)):
        raise ValueError("Enter a valid URL.")
    return value


def form_addresses(value):
    addresses = [word for word in re.split(r"[,\s]+", value) if word]
    for address in addresses:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise ValueError(f"Invalid IP address: {address}; provide a list of space-separated IP addresses")
    return " ".join(addresses)


# The settings of MAAS that charms and `edit_named_options` are about.
CONFIG_ITEMS = {
    "enable_http_proxy": (form_boolean, True),
    "http_proxy": (form_url, None),
    "upstream_dns": (form_addresses, None),
    "dnssec_validation": (text, "auto"),
    "prometheus_enabled": (form_boolean, False),
}


def unknown_setting(name):
    names = ", ".join(sorted(CONFIG_ITEMS))
    return {name: [f"{name} is not a valid config setting (valid settings are: {names})."]}


def get_config(conf, name):
    rows = query(conf, "SELECT value FROM maasserver_config WHERE name = %s", (name,))
    return json.loads(rows[0][0]) if rows else CONFIG_ITEMS[name][1]


def set_config(conf, name, value):
    query(
        conf,
        "INSERT INTO maasserver_config VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, json.dumps(value)),
    )
