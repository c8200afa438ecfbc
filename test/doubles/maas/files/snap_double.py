"""A stand-in for snapd's command `snap`, with a store that has one snap: the stand-in MAAS.

It refuses what snapd refuses, in the words of its source. The store is a file, /var/lib/snapd/double-store.json:
`{"channels": {"3.7/stable": {"version": "3.7.3-…", "revision": 41649}}, "online": true, "snapd": "2.63"}`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys

STATE = "/var/lib/snapd/double-state.json"
STORE = "/var/lib/snapd/double-store.json"
NAME = "maas"
RISKS = ("stable", "candidate", "beta", "edge")
MOUNTS = "/snap/maas"
DATA = "/var/snap/maas"
UNITS = "/etc/systemd/system"
HERE = os.path.dirname(os.path.abspath(__file__))


class SnapError(Exception):
    """What snap says after `error: `, and how it exits then."""

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise SnapError(message, 64)

    def parse_strict(self, words):
        args, rest = self.parse_known_args(words)
        for word in rest:
            if word.startswith("-"):
                raise SnapError(f"unknown flag `{word.lstrip('-').split('=')[0]}'", 64)
            raise SnapError("too many arguments for command")
        return args


def load(path, default):
    try:
        with open(path) as file:
            return json.load(file)
    except FileNotFoundError:
        return default


def save(state):
    os.makedirs(os.path.dirname(STATE), exist_ok=True)
    with open(f"{STATE}.tmp", "w") as file:
        json.dump(state, file)
    os.rename(f"{STATE}.tmp", STATE)


def store():
    found = load(STORE, {"channels": {}})
    if not found.get("online", True):
        raise SnapError("unable to contact snap store")
    return found["channels"]


def snapd_version():
    return tuple(int(part) for part in load(STORE, {}).get("snapd", "2.63").split(".")[:2])


def require_root():
    if os.geteuid() != 0:
        raise SnapError("access denied (try with sudo)")


def release(channel):
    """What a channel has; a closed one has what the next more stable one has."""
    track, _, risk = channel.partition("/")
    risk = risk or "stable"
    if risk not in RISKS:
        raise SnapError(f"cannot parse channel: invalid risk in channel name: {channel}")
    channels = store()
    for one in reversed(RISKS[: RISKS.index(risk) + 1]):
        if f"{track}/{one}" in channels:
            return channels[f"{track}/{one}"]
    raise SnapError(f"snap \"{NAME}\" not available on channel \"{channel}\" (see 'snap info {NAME}')")


def environment(revision, version):
    return {
        **os.environ,
        "SNAP": f"{MOUNTS}/{revision}",
        "SNAP_NAME": NAME,
        "SNAP_INSTANCE_NAME": NAME,
        "SNAP_VERSION": version,
        "SNAP_REVISION": str(revision),
        "SNAP_DATA": f"{DATA}/{revision}",
        "SNAP_COMMON": f"{DATA}/common",
        "PYTHONPATH": HERE,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def service(version):
    return "pebble" if [int(part) for part in version.split(".")[:2]] >= [3, 5] else "supervisor"


def systemctl(*words):
    return subprocess.run(["systemctl", *words], check=False, capture_output=True, text=True)


def point(link, target):
    if os.path.islink(link):
        os.unlink(link)
    os.symlink(target, link)


def mount(revision, version):
    """What a revision of the snap brings, and its unit."""
    folder = f"{MOUNTS}/{revision}/bin"
    os.makedirs(folder, exist_ok=True)
    for name in ("maas", "maas-region", "run-pebble-daemon"):
        with open(f"{folder}/{name}", "w") as file:
            file.write(f"#!/usr/bin/python3\nfrom maas_double.{name.replace('-', '_')} import main\nmain()\n")
        os.chmod(f"{folder}/{name}", 0o755)
    os.makedirs(UNITS, exist_ok=True)
    with open(f"{UNITS}/snap.maas.{service(version)}.service", "w") as file:
        file.write(
            "[Unit]\nDescription=Service for snap application maas\nAfter=network.target\n\n"
            f"[Service]\nExecStart=/usr/bin/snap run maas.{service(version)}\nRestart=on-failure\nTimeoutStopSec=30\nType=simple\n\n"
            "[Install]\nWantedBy=multi-user.target\n"
        )
    systemctl("daemon-reload")


def unmount(revision, version):
    name = f"snap.maas.{service(version)}.service"
    systemctl("stop", name)
    systemctl("disable", name)
    os.unlink(f"{UNITS}/{name}")
    systemctl("daemon-reload")


def run_hook(name, revision, version):
    """`install`, which MAAS runs after each refresh as well: it migrates the database where this is a region."""
    env = environment(revision, version)
    for folder in (f"{env['SNAP_COMMON']}/maas/image-storage", f"{env['SNAP_COMMON']}/log"):
        os.makedirs(folder, exist_ok=True)
    for folder in ("preseeds", "root", "certificates", "http"):
        os.makedirs(f"{env['SNAP_DATA']}/{folder}", exist_ok=True)
    done = subprocess.run([f"{env['SNAP']}/bin/maas", "migrate", "--configure"], env=env, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1:] or ["exit status 1"]
        raise SnapError(
            "cannot perform the following tasks:\n"
            f'- Run {name} hook of "{NAME}" snap if present (run hook "{name}": {said[0]})'
        )


def install(words):
    parser = Parser(prog="snap install")
    parser.add_argument("--channel", default="latest/stable")
    parser.add_argument("name")
    args = parser.parse_strict(words)
    require_root()
    if args.name != NAME:
        store()
        raise SnapError(f'snap "{args.name}" not found')
    state = load(STATE, {})
    if state:
        print(f"snap \"{NAME}\" is already installed, see 'snap help refresh'", file=sys.stderr)
        return
    found = release(args.channel)
    revision, version = found["revision"], found["version"]
    os.makedirs(f"{DATA}/common", exist_ok=True)
    os.makedirs(f"{DATA}/{revision}", exist_ok=True)
    point(f"{DATA}/current", str(revision))
    mount(revision, version)
    point(f"{MOUNTS}/current", str(revision))
    try:
        run_hook("install", revision, version)
    except SnapError:
        unmount(revision, version)
        shutil.rmtree(DATA)
        shutil.rmtree(MOUNTS)
        raise
    save({"version": version, "revision": revision, "channel": args.channel, "held": False})
    systemctl("enable", "--now", f"snap.maas.{service(version)}.service")
    print(f"{NAME} ({args.channel}) {version} from Canonical** installed")


def refresh(words):
    parser = Parser(prog="snap refresh")
    parser.add_argument("--channel")
    parser.add_argument("name", nargs="?")
    if snapd_version() >= (2, 58):
        parser.add_argument("--hold")
        parser.add_argument("--unhold", action="store_true")
    else:
        parser.set_defaults(hold=None, unhold=False)
    # What it is given stands behind `=`, or is no value of it.
    args = parser.parse_strict(["--hold=forever" if word == "--hold" else word for word in words])
    require_root()
    state = load(STATE, {})
    if args.name is None and not (args.hold or args.unhold):
        raise SnapError("the stand-in refreshes what is named")
    if not state or args.name != NAME:
        raise SnapError(f'snap "{args.name}" is not installed')
    if args.hold or args.unhold:
        if args.channel or (args.hold and args.unhold):
            raise SnapError("cannot use --hold with other flags")
        if args.hold not in (None, "forever"):
            raise SnapError(f'hold value must be a number of hours, minutes or seconds, or "forever": {args.hold}')
        save({**state, "held": bool(args.hold)})
        print(f'General refreshes of "{NAME}" held indefinitely' if args.hold else f'Removed general refresh hold of "{NAME}"')
        return
    channel = args.channel or state["channel"]
    found = release(channel)
    if found["revision"] == state["revision"]:
        save({**state, "channel": channel})
        print(f'snap "{NAME}" has no updates available', file=sys.stderr)
        return
    old, new = state, {**state, **found, "channel": channel}
    was_enabled = systemctl("is-enabled", f"snap.maas.{service(old['version'])}.service").returncode == 0
    systemctl("stop", f"snap.maas.{service(old['version'])}.service")
    shutil.rmtree(f"{DATA}/{new['revision']}", ignore_errors=True)
    shutil.copytree(f"{DATA}/{old['revision']}", f"{DATA}/{new['revision']}", symlinks=True, ignore=shutil.ignore_patterns("*.sock*"))
    mount(new["revision"], new["version"])
    point(f"{DATA}/current", str(new["revision"]))
    point(f"{MOUNTS}/current", str(new["revision"]))
    try:
        run_hook("post-refresh", new["revision"], new["version"])
    except SnapError:
        # All of it is taken back.
        point(f"{DATA}/current", str(old["revision"]))
        point(f"{MOUNTS}/current", str(old["revision"]))
        if service(new["version"]) != service(old["version"]):
            unmount(new["revision"], new["version"])
        if was_enabled:
            systemctl("start", f"snap.maas.{service(old['version'])}.service")
        raise
    if service(new["version"]) != service(old["version"]):
        unmount(old["revision"], old["version"])
        was_enabled = True
    save(new)
    if was_enabled:
        systemctl("enable", "--now", f"snap.maas.{service(new['version'])}.service")
    print(f"{NAME} ({channel}) {new['version']} from Canonical** refreshed")


def switch(words):
    parser = Parser(prog="snap switch")
    parser.add_argument("--channel")
    parser.add_argument("name")
    args = parser.parse_strict(words)
    require_root()
    if not args.channel:
        raise SnapError("nothing to switch; specify --channel (and/or one of --cohort/--leave-cohort)")
    state = load(STATE, {})
    if not state or args.name != NAME:
        raise SnapError(f'snap "{args.name}" is not installed')
    release(args.channel)
    save({**state, "channel": args.channel})
    print(f'"{NAME}" switched to the "{args.channel}" channel\n')


def remove(words):
    parser = Parser(prog="snap remove")
    parser.add_argument("--purge", action="store_true")
    parser.add_argument("name")
    args = parser.parse_strict(words)
    require_root()
    state = load(STATE, {})
    if not state or args.name != NAME:
        print(f'snap "{args.name}" is not installed', file=sys.stderr)
        return
    unmount(state["revision"], state["version"])
    shutil.rmtree(DATA)
    shutil.rmtree(MOUNTS)
    os.unlink(STATE)
    print(f"{NAME} removed" if args.purge else f"{NAME} removed (snap data snapshot saved)")


def plain(parser):
    for name in ("color", "unicode"):
        parser.add_argument(f"--{name}", choices=("auto", "never", "always"))


def list_snaps(words):
    parser = Parser(prog="snap list")
    plain(parser)
    parser.add_argument("names", nargs="*")
    args = parser.parse_strict(words)
    state = load(STATE, {})
    if args.names and (not state or NAME not in args.names):
        raise SnapError("no matching snaps installed")
    if not state:
        print("No snaps are installed yet. Try 'snap install hello-world'.", file=sys.stderr)
        return
    print("Name  Version  Rev  Tracking  Publisher  Notes")
    print(f"{NAME}  {state['version']}  {state['revision']}  {state['channel']}  canonical**  {'held' if state['held'] else '-'}")


def info(words):
    parser = Parser(prog="snap info")
    plain(parser)
    parser.add_argument("name")
    args = parser.parse_strict(words)
    state = load(STATE, {})
    try:
        channels = store() if args.name == NAME else None
    except SnapError:
        # What is installed is shown all the same.
        channels = None
    if channels is None and not (state and args.name == NAME):
        raise SnapError(f'no snap found for "{args.name}"')
    print("name:      maas\nsummary:   Metal as a Service\npublisher: Canonical**\nlicense:   unset")
    print("description: |\n  Total automation of your physical servers.\nsnap-id: shY22YTZ3RhJJDOj0MfmShTNZTEb1Jiq")
    if state:
        print(f"tracking:     {state['channel']}\nrefresh-date: today at 10:00 UTC")
    for number, track in enumerate(sorted({name.split("/")[0] for name in channels or {}})):
        if number == 0:
            print("channels:")
        is_open = False
        for risk in RISKS:
            found = channels.get(f"{track}/{risk}")
            shown = f"{found['version']} 2026-01-15 ({found['revision']}) 212MB -" if found else ("^" if is_open else "--")
            is_open = is_open or bool(found)
            print(f"  {track}/{risk}:    {shown}")
    if state:
        print(f"installed:    {state['version']}    ({state['revision']}) 212MB {'held' if state['held'] else '-'}")


def run(words):
    is_shell = bool(words) and words[0] == "--shell"
    words = words[1:] if is_shell else words
    if not words:
        raise SnapError("need the application to run as argument")
    app, *rest = words
    if app.startswith("-"):
        raise SnapError(f"unknown flag `{app.lstrip('-')}'", 64)
    state = load(STATE, {})
    if not state or app.split(".")[0] != NAME:
        raise SnapError(f'cannot find current revision for snap {app.split(".")[0]}: readlink /snap/{app.split(".")[0]}/current: no such file or directory')
    env = environment(state["revision"], state["version"])
    daemon = service(state["version"])
    programs = {NAME: "maas", f"{NAME}.{daemon}": "run-pebble-daemon"}
    if app not in programs:
        raise SnapError(f'cannot find app "{app.split(".")[-1]}" in "{NAME}"')
    if is_shell:
        os.execve("/bin/bash", ["/bin/bash", *rest], env)
    os.execve(f"{env['SNAP']}/bin/{programs[app]}", [programs[app], *rest], env)


def wait(words):
    if words != ["system", "seed.loaded"]:
        raise SnapError("the stand-in waits for system seed.loaded")


COMMANDS = {
    "install": install,
    "refresh": refresh,
    "switch": switch,
    "remove": remove,
    "list": list_snaps,
    "info": info,
    "run": run,
    "wait": wait,
}


def snapctl_main():
    """What a snap asks of snapd, of its own services only."""
    verb, name = sys.argv[1:]
    systemctl(verb, f"snap.{name}.service")


def snap_main():
    words = sys.argv[1:]
    try:
        if not words or words[0] not in COMMANDS:
            raise SnapError(f"unknown command \"{words[0] if words else ''}\", see 'snap help'.", 64)
        COMMANDS[words[0]](words[1:])
    except SnapError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.code)


if __name__ == "__main__":
    snap_main()
