import signal

from .database import read_start
from .own_files import has_certificates


def main():
    read_start("maas-temporal-worker")
    if not has_certificates():
        raise TypeError("cannot unpack non-iterable NoneType object")
    signal.pause()
