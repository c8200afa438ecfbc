"""It ends where regiond has not configured it yet, and nobody starts it again by itself."""

import socket

from .environment import TEMPORAL_CONF, TEMPORAL_PORT, log, settings


def main():
    with open(TEMPORAL_CONF) as file:
        log(f"temporal-server: {file.read()}")
    with socket.create_server((settings()["address"], TEMPORAL_PORT)) as server:
        while True:
            server.accept()[0].close()
