"""Regions and racks, as the API shows them."""

from .database import query

NODE_TYPES = {2: "Rack controller", 3: "Region controller", 4: "Region and rack controller"}


def controller(conf, is_rack, kind, system_id, name, address, version, reported, addresses):
    """
    As the API shows it. Every controller has one interface with static addresses, on the one VLAN; once that is known. Unlike
    the real ones, racks tell only of the address that they connect from.
    """
    addresses = addresses or [address]
    links = [{"mode": "static", "ip_address": each} for each in addresses]
    link = {"name": "eth0", "vlan": {"id": 5001, "vid": 0, "fabric_id": 0}, "links": links}
    services = {"service_set": [rackd_service(conf, system_id)]} if is_rack else {}
    return {
        "system_id": system_id,
        "hostname": name,
        "fqdn": f"{name}.maas",
        "node_type": kind,
        "node_type_name": NODE_TYPES[kind],
        "version": version,
        "ip_addresses": addresses,
        "interface_set": [link] if reported or kind != 3 else [],
        **services,
    }


def rackd_service(conf, rack):
    """By how many processes of regions a rack is connected to."""
    ((connected, processes, regions, dead),) = query(
        conf,
        "SELECT (SELECT count(*) FROM maasserver_regionrackrpcconnection c JOIN maasserver_regionprocess p "
        "ON (c.region, c.port) = (p.system_id, p.port) WHERE rack = %s), (SELECT count(*) FROM maasserver_regionprocess), "
        "count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM maasserver_regionprocess p WHERE p.system_id = n.system_id)) "
        "FROM maasserver_node n WHERE node_type IN (3, 4)",
        (rack,),
    )
    if not connected:
        return {"name": "rackd", "status": "dead", "status_info": ""}
    missing = dead * 4 + processes - connected
    if not missing:
        return {"name": "rackd", "status": "running", "status_info": ""}
    info = f"{1 - missing / (regions * 4):.0%} connected to region controllers."
    return {"name": "rackd", "status": "degraded", "status_info": info}
