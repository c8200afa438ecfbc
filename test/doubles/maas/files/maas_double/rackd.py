import http.client
import json
import os
import signal
import socket
import threading
import time
import urllib.request

from .config_files import RACK_OPTIONS, read_config
from .environment import HOME, RACKD_CONF, SHORT, log, scaled
from .identity import hostname, proof
from .own_files import read_own, write_own


class Rack:
    """One rack controller: connected to every event loop of every region."""

    def __init__(self, secret):
        self.secret = secret
        self.connections = {}
        self.announced = None
        self.remembered = None
        self.remembering = threading.Lock()

    def run(self):
        while True:
            loops = self.find()
            for name, endpoint in loops.items():
                if name not in self.connections:
                    self.connections[name] = None
                    threading.Thread(target=self.keep, args=(name, endpoint), daemon=True).start()
            alive = [name for name, state in list(self.connections.items()) if state]
            self.announce(loops, alive)
            time.sleep(scaled(30) if loops and len(alive) == len(loops) else 1)

    def announce(self, loops, alive):
        regions = sorted({name.split(":")[0] for name in loops})
        if not loops or len(alive) < len(loops) or self.announced == (sorted(loops)):
            return
        self.announced = sorted(loops)
        log(f"Fully connected to all {len(loops)} event-loops on all {len(regions)} region controllers ({', '.join(regions)}).")

    def find(self):
        """Asks every URL of the file, read anew each time, and if none answers the regions it knows already."""
        try:
            configured = read_config(RACKD_CONF, RACK_OPTIONS)[1]["maas_url"]
            configured = configured if isinstance(configured, list) else [configured]
        except Exception as error:
            log(f"{RACKD_CONF}: {error}")
            configured = []
        for base in [*configured, *read_own("rpc.state").split()]:
            try:
                with urllib.request.urlopen(f"{base}/rpc/", timeout=5) as reply:
                    loops = json.load(reply)["eventloops"] or {}
                return {name: endpoints[0] for name, endpoints in loops.items()}
            except (OSError, ValueError, http.client.HTTPException) as error:
                log(f"Region not available: {error} (While requesting RPC info at {base}).")
        return {}

    def remember(self):
        """Only when a region has taken the rack in, and the regions that have are others than before."""
        with self.remembering:
            now = sorted({host for host in list(self.connections.values()) if host})
            if SHORT >= (2, 5) and now != self.remembered:
                write_own("rpc.state", "".join(f"http://{host}:5240/MAAS\n" for host in now))
                self.remembered = now

    def keep(self, name, endpoint):
        try:
            with socket.create_connection(tuple(endpoint), timeout=10) as connection, connection.makefile("rw") as stream:
                challenge = stream.readline().strip()
                greeting = {"digest": proof(self.secret, challenge), "hostname": hostname(), "system_id": read_own("maas_id")}
                print(json.dumps(greeting), file=stream, flush=True)
                reply = stream.readline()
                if not reply:
                    log(f"Event-loop '{name}' FAILED authentication; dropping connection.")
                    return
                write_own("maas_id", json.loads(reply)["system_id"])
                log(f"Event-loop '{name}' authenticated.")
                self.connections[name] = endpoint[0]
                self.remember()
                while True:
                    print("{}", file=stream, flush=True)
                    reply = stream.readline()
                    if not reply:
                        break
                    if json.loads(reply)["deleted"]:
                        log("Deleted by a region: the secret goes, and rackd starts anew.")
                        os.unlink(f"{HOME}/secret")
                        os._exit(0)
                    time.sleep(1)
        except (OSError, ValueError) as error:
            log(f"Event-loop {name} ({endpoint[0]}:{endpoint[1]}): An error occurred while connecting: {error}.")
        finally:
            if self.connections.get(name):
                log(f"ClusterClient connection lost (to {name})")
            time.sleep(0.5)
            self.connections.pop(name, None)


def main():
    end = time.time() + scaled(300)
    # Until 2.8 rackd starts without, and is refused by every region.
    while SHORT >= (2, 9) and not read_own("secret"):
        if time.time() > end:
            log("No shared secret: rackd runs without any service until it is restarted.")
            signal.pause()
        time.sleep(1)
    Rack(read_own("secret")).run()
