"""Two servers in one from 3.6 on: only the second one hears a signal, and the first one serves on."""

import signal

from .database import read_start
from .environment import SHORT, log
from .own_files import has_certificates


def main():
    read_start("maas-apiserver")
    if SHORT >= (3, 6):
        if not has_certificates():
            raise TypeError("cannot unpack non-iterable NoneType object")
        signal.signal(signal.SIGTERM, lambda *_: log("Shutting down"))
    while True:
        signal.pause()
