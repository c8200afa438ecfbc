"""What of MAAS stands in BIND's own named.conf.options."""

import datetime
import os
import re

import psycopg2

from .commands import CommandError
from .config_files import REGION_OPTIONS, read_config
from .environment import REGIOND_CONF, SHORT
from .maas_settings import get_config, set_config

# What MAAS sets in its own file, which BIND therefore takes from no other.
OWN_NAMED_OPTIONS = ("forwarders", "dnssec-validation")


NAMED_HEADER = """\
//
// This file is managed by MAAS. Although MAAS attempts to preserve changes
// made here, it is possible to create conflicts that MAAS can not resolve.
//
// DNS settings available in MAAS (for example, forwarders and
// dnssec-validation) should be managed only in MAAS.
//
// The previous configuration file was backed up at:
//     {}
//
"""


def edit_named_options(args, move=None):
    """Has BIND's own file include MAAS' options alone, and moves those of it that conflict into MAAS' settings."""
    path = args.config_path
    try:
        with open(path, encoding="ascii") as file:
            before = file.read()
    except FileNotFoundError:
        raise CommandError(f"{path} does not exist")
    except UnicodeDecodeError as error:
        raise CommandError(str(error))
    include = f'include "{os.path.dirname(path)}/maas/named.conf.options.inside.maas";'
    content = re.sub(r"/\*.*?\*/|(//|#)[^\n]*", "", before, flags=re.DOTALL)
    if content.count("{") != content.count("}"):
        raise CommandError(f"Failed to parse {path}: Invalid brackets.")
    start = re.search(r"\boptions\s*\{", content)
    if not start:
        raise CommandError(f"Can't find options {{}} block in {path}, bailing out without doing anything.")
    end = end_of_block(content, start.end())
    block = content[start.end() : end]
    found = {name: re.search(rf"\b{name}\s+(\{{[^}}]*\}}|[^;{{]+);", block) for name in OWN_NAMED_OPTIONS}
    # Only told to, until 2.2.
    may_migrate = args.migrate_conflicting_options or SHORT >= (2, 3)
    moved = (move or move_named_options)({name: match[1] for name, match in found.items() if match and may_migrate})
    inside = block
    for name in moved:
        inside = inside.replace(found[name][0], "")
    # There is one, so that somebody else's is lost.
    includes = re.findall(r'\binclude\s+"[^"]*"\s*;', inside)
    for other in includes:
        inside = inside.replace(other, "")
    if includes == [include] and not moved and not args.force:
        return
    backup = f"{path}.{now_of_backup()}"
    lines = "\n".join(line.strip() for line in [*inside.strip().splitlines(), include] if line.strip())
    around = [content[: start.start()], f"options {{ {lines} }};", content[end:].partition(";")[2]]
    after = NAMED_HEADER.format(backup) + "\n".join(part.strip() for part in around if part.strip()) + "\n"
    if args.dry_run:
        print(after)
        return
    with open(os.open(backup, os.O_WRONLY | os.O_CREAT, 0o660), "w") as file:
        file.write(before)
    # In place: owner and mode stay.
    with open(path, "w") as file:
        file.write(after)


def end_of_block(content, start):
    """Where the brace is that closes the one before `start`."""
    depth = 1
    for index in range(start, len(content)):
        depth += {"{": 1, "}": -1}.get(content[index], 0)
        if depth == 0:
            return index
    return len(content)


def now_of_backup():
    """In UTC, with its offset, from 3.5 on."""
    return datetime.datetime.now(datetime.timezone.utc if SHORT >= (3, 5) else None).isoformat()


def move_named_options(values):
    """Which options have gone into MAAS' settings. Without a database forwarders stay; what is lost is lost in silence."""
    try:
        conf = read_config(REGIOND_CONF, REGION_OPTIONS)[1]
        if "forwarders" in values:
            known = (get_config(conf, "upstream_dns") or "").split()
            given = [word.rstrip(";") for word in values["forwarders"].strip("{} ").split()]
            set_config(conf, "upstream_dns", " ".join([*known, *(word for word in given if word and word not in known)]))
        if "dnssec-validation" in values:
            set_config(conf, "dnssec_validation", values["dnssec-validation"])
        return list(values)
    except (psycopg2.Error, OSError, ValueError):
        if SHORT < (2, 3):
            raise
        return [name for name in values if name != "forwarders"]
