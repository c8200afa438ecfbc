"""The one service of the snap: it runs what the mode says when it starts, and ends all of it with a signal that they hear."""

import signal
import subprocess
import sys
import time

from .environment import SHORT, SNAP_COMMON
from .snap_mode import SNAP_PARTS, snap_mode


def start_part(name, command):
    """From 3.5 on what a part says is in the journal, before in a file of its own."""
    if SHORT >= (3, 5):
        return subprocess.Popen(["systemd-cat", f"--identifier=maas-{name}", *command])
    with open(f"{SNAP_COMMON}/log/{name}.log", "a") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)


def main():
    mode = snap_mode().split("+")
    parts = {}
    # Only noted: in the middle of a start, nobody would end what is being started.
    stops = []
    signal.signal(signal.SIGTERM, lambda *_: stops.append(True))
    while not stops:
        for role, name, program in SNAP_PARTS:
            if role in mode and (name not in parts or parts[name].poll() is not None):
                parts[name] = start_part(name, [sys.executable, "-c", f"from maas_double.{program} import main; main()"])
        time.sleep(0.1)
    for process in parts.values():
        process.terminate()
    for process in parts.values():
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
