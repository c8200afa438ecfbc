"""VLANs, and which racks give them DHCP."""

from .config_files import boolean
from .controllers import rackd_service
from .database import query


def vlans(conf):
    rows = query(conf, "SELECT id, vid, dhcp_on, primary_rack, secondary_rack FROM maasserver_vlan ORDER BY 1")
    names = ("id", "vid", "dhcp_on", "primary_rack", "secondary_rack")
    return [{"name": "untagged", "fabric": "fabric-0", "fabric_id": 0, "mtu": 1500, **dict(zip(names, row))} for row in rows]


def set_vlan(conf, vlan):
    query(
        conf,
        "UPDATE maasserver_vlan SET dhcp_on = %s, primary_rack = %s, secondary_rack = %s WHERE id = %s",
        (vlan["dhcp_on"], vlan["primary_rack"], vlan["secondary_rack"], vlan["id"]),
    )


# What Django says of a rack that a VLAN without DHCP still names.
PROTECTED_RACK = (
    "(\"Cannot delete some instances of model 'RackController' because they are referenced through protected foreign keys: "
    "'VLAN.primary_rack', 'NodeConfig.node'.\", {<VLAN: fabric-0.untagged>})"
)


def vlan_without(conf, vlan, rack):
    """A VLAN once one of its racks is deleted: a rack that has an interface there takes the place that becomes free."""
    primary, secondary, is_on = vlan["primary_rack"], vlan["secondary_rack"], vlan["dhcp_on"]
    if is_on and rack in (primary, secondary):
        rows = query(
            conf,
            "SELECT system_id FROM maasserver_node WHERE node_type IN (2, 4) AND system_id <> ALL (%s) ORDER BY 1",
            ([each for each in (rack, primary, secondary) if each],),
        )
        primary, secondary, *_ = [each for each in (primary, secondary) if each and each != rack] + [row[0] for row in rows] + [None, None]
        if vlan["secondary_rack"] is None:
            # One that was alone has one successor.
            secondary = None
    elif secondary == rack:
        secondary = None
    return {**vlan, "was_on": is_on, "dhcp_on": is_on and primary is not None, "primary_rack": primary, "secondary_rack": secondary}


def vlan_problems(conf, vlan, form):
    """What MAAS' own form refuses, in its words."""
    problems = {}
    racks = {row[0] for row in query(conf, "SELECT system_id FROM maasserver_node WHERE node_type IN (2, 4)")}
    for name in ("primary_rack", "secondary_rack"):
        if form.get(name) and form[name] not in racks:
            problems[name] = [f"Select a valid choice. {form[name]} is not one of the available choices."]
    wanted = racks_after(vlan, form)
    if "dhcp_on" in form and boolean(form["dhcp_on"]):
        if not query(conf, "SELECT 1 FROM maasserver_iprange WHERE vlan = %s", (vlan["id"],)):
            problems["dhcp_on"] = ["dhcp can only be turned on when a dynamic IP range is defined."]
        elif not wanted["primary_rack"] and not problems:
            problems["__all__"] = ["dhcp can only be turned on when a primary rack controller is set."]
    if wanted["secondary_rack"] and wanted["secondary_rack"] == vlan["primary_rack"]:
        problems["__all__"] = [f"{wanted['secondary_rack']} is already set as the primary rack controller"]
    elif wanted["primary_rack"] and wanted["primary_rack"] == wanted["secondary_rack"]:
        problems["__all__"] = ["The primary and secondary rack must be different"]
    elif (
        wanted["primary_rack"]
        and wanted["primary_rack"] == vlan["primary_rack"]
        and wanted["secondary_rack"] not in (None, vlan["secondary_rack"])
        and not problems
        and rackd_service(conf, wanted["primary_rack"])["status"] == "dead"
    ):
        problems["__all__"] = [DEAD_PRIMARY]
    return problems


DEAD_PRIMARY = (
    "The primary rack controller must be up and running to set a secondary rack controller. Without the primary "
    "the secondary DHCP service will not be able to synchronize, preventing it from responding to DHCP requests."
)


def racks_after(vlan, form):
    """The racks of a VLAN as MAAS' own form makes them of what is given: who becomes primary is secondary no more."""
    wanted = {**vlan, **{name: value or None for name, value in form.items() if name.endswith("_rack")}}
    if wanted["primary_rack"] is None and vlan["secondary_rack"]:
        return {**wanted, "primary_rack": vlan["secondary_rack"], "secondary_rack": None}
    if wanted["primary_rack"] and wanted["primary_rack"] == vlan["secondary_rack"]:
        return {**wanted, "secondary_rack": None}
    return wanted
