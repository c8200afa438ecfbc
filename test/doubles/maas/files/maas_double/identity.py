"""What a controller is known by: its name, its addresses, and that it has the secret."""

import hashlib
import hmac
import json
import socket
import subprocess

from .environment import settings


def hostname():
    return settings()["hostname"] or socket.gethostname().split(".")[0]


def own_address():
    """Never a virtual one: those have a prefix of 32 bits, or are not the first of their interface."""
    if settings()["address"]:
        return settings()["address"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.18.0.1", 9))
        return probe.getsockname()[0]


def static_addresses():
    """What MAAS takes for a controller's own, the virtual ones included; its own address is the first."""
    own = own_address()
    if settings()["address"]:
        return [own, *settings()["addresses"]]
    said = subprocess.run(["ip", "-json", "-4", "address", "show", "scope", "global"], capture_output=True, check=True).stdout
    found = [info["local"] for link in json.loads(said) for info in link.get("addr_info", [])]
    return [own, *sorted({address for address in found if address != own})]


def proof(secret, challenge):
    return hmac.new(bytes.fromhex(secret), challenge.encode(), hashlib.sha256).hexdigest()
