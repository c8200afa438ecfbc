#!/usr/bin/python3
"""As much of systemctl as is asked for a snap's services, where there is no systemd."""

import os
import re
import signal
import subprocess
import sys
import time

UNITS = "/etc/systemd/system"
STATE = "/run/standin-units"


def unit(name):
    return name if name.endswith(".service") else f"{name}.service"


def is_there(name):
    return os.path.exists(f"{UNITS}/{name}")


def pid_of(name):
    try:
        with open(f"{STATE}/{name}.pid") as file:
            pid = int(file.read())
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return None if file.read().split(")")[1].split()[0] == "Z" else pid
    except (OSError, ValueError):
        return None


def start(name):
    if pid_of(name):
        return
    with open(f"{UNITS}/{name}") as file:
        command = re.search(r"^ExecStart=(.*)$", file.read(), re.MULTILINE)[1].split()
    with open(f"{STATE}/log", "a") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")
    with open(f"{STATE}/{name}.pid", "w") as file:
        file.write(str(process.pid))


def stop(name):
    pid = pid_of(name)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    for _ in range(300):
        if pid_of(name) is None:
            return
        time.sleep(0.1)
    os.killpg(pid, signal.SIGKILL)


def enable(name, wanted):
    path = f"{STATE}/{name}.enabled"
    if wanted:
        open(path, "w").close()
    elif os.path.exists(path):
        os.unlink(path)


def show(words):
    names = [unit(word) for word in words if not word.startswith("-")]
    wanted = next(word for word in words if word.startswith("--property=")).split("=")[1].split(",")
    for name in names:
        pid = pid_of(name)
        is_enabled = os.path.exists(f"{STATE}/{name}.enabled")
        values = {
            "LoadState": "loaded" if is_there(name) else "not-found",
            "ActiveState": "active" if pid else "inactive",
            "SubState": "running" if pid else "dead",
            "UnitFileState": ("enabled" if is_enabled else "disabled") if is_there(name) else "",
            "MainPID": str(pid or 0),
            "ActiveEnterTimestamp": "",
        }
        if pid:
            values["ActiveEnterTimestamp"] = time.strftime("%a %Y-%m-%d %H:%M:%S UTC", time.gmtime(os.stat(f"{STATE}/{name}.pid").st_mtime))
        for key in wanted:
            print(values[key] if "--value" in words else f"{key}={values[key]}")
        print()


def main():
    os.makedirs(STATE, exist_ok=True)
    verb, *words = sys.argv[1:]
    if verb == "show":
        return show(words)
    if verb in ("daemon-reload", "reset-failed"):
        return 0
    names = [unit(word) for word in words if not word.startswith("-")]
    missing = [name for name in names if not is_there(name)]
    if missing or not names:
        print(f"Unit {(missing or ['(none)'])[0]} could not be found.", file=sys.stderr)
        return 5
    for name in names:
        if verb == "is-enabled":
            return 0 if os.path.exists(f"{STATE}/{name}.enabled") else 1
        if verb in ("enable", "disable"):
            enable(name, verb == "enable")
            if "--now" in words:
                start(name) if verb == "enable" else stop(name)
        elif verb == "try-restart":
            if pid_of(name):
                stop(name)
                start(name)
        elif verb in ("start", "stop", "restart"):
            if verb != "start":
                stop(name)
            if verb != "stop":
                start(name)
        else:
            print(f"Unknown command verb {verb}.", file=sys.stderr)
            return 1
    return 0


sys.exit(main())
