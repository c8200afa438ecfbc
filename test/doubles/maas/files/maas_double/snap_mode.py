"""What the one machine of a snap is, and what it therefore runs."""

from .environment import MODE_FILE


def snap_mode():
    try:
        with open(MODE_FILE) as file:
            return file.read().strip()
    except FileNotFoundError:
        return "none"


def set_snap_mode(mode):
    with open(MODE_FILE, "w") as file:
        file.write(mode)


# What each kind of controller runs, and with what.
SNAP_PARTS = [("region", "http", "maas_http"), ("region", "regiond", "regiond"), ("rack", "rackd", "rackd")]
