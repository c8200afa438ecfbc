"""The files that a controller writes for itself."""

import os
import threading

from .environment import CERTIFICATES, CERTIFICATE_FILES, HOME


def read_own(name):
    try:
        with open(f"{HOME}/{name}") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def write_own(name, content, mode=0o640):
    write_atomically(f"{HOME}/{name}", content, mode)


def has_certificates():
    return all(os.path.exists(f"{CERTIFICATES}/{name}") for name in CERTIFICATE_FILES)


def write_atomically(path, content, mode):
    # Region and rack share files, and a rack writes one for each connection, all at the same time.
    temporary = f"{path}.{threading.get_native_id()}"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(content)
    os.chmod(temporary, mode)
    # Whose they are stays: one of root is replaced by root alone.
    if os.path.exists(path):
        before = os.stat(path)
        try:
            os.chown(temporary, before.st_uid, before.st_gid)
        except PermissionError:
            os.unlink(temporary)
            raise
    os.rename(temporary, path)
