"""What regiond answers to HTTP: the API, and what tells of a region whether it serves."""

import http.server
import json
import os
import re
import socket
import socketserver
import urllib.parse

import psycopg2

from .config_files import boolean
from .controllers import controller
from .database import query, unchecked_query
from .environment import SHORT, SNAP, TEMPORAL_PORT, VERSION, WEB_SOCKET, settings
from .identity import hostname
from .maas_settings import CONFIG_ITEMS, get_config, set_config, unknown_setting
from .vlans import PROTECTED_RACK, racks_after, set_vlan, vlan_problems, vlan_without, vlans


class WebServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """What regiond itself answers, behind maas-http."""

    daemon_threads = True
    request_queue_size = 50

    def __init__(self, region):
        if os.path.exists(WEB_SOCKET):
            os.unlink(WEB_SOCKET)
        super().__init__(WEB_SOCKET, WebHandler)
        self.region = region


class BareWebServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Until 3.1 nothing stands before regiond."""

    daemon_threads = True
    request_queue_size = 50
    allow_reuse_address = True

    def __init__(self, region):
        super().__init__((settings()["address"], 5240), WebHandler)
        self.region = region


class WebHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def address_string(self):
        return "client"

    def answer(self, status, body, content_type="application/json", headers=()):
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Maas-Region", hostname())
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.guard(self.get)

    def do_DELETE(self):
        self.guard(self.delete)

    def do_POST(self):
        self.guard(self.post)

    def do_PUT(self):
        self.guard(self.put)

    def guard(self, handle):
        try:
            handle()
        except psycopg2.Error as error:
            self.answer(500, str(error), "text/plain")

    def get(self):
        region = self.server.region
        path = self.path.replace("//", "/")
        if path == "/MAAS/rpc/":
            self.answer(200, {"eventloops": region.eventloops()})
        elif path == "/MAAS/rpc":
            self.answer(301, b"", headers=[("Location", "/MAAS/rpc/")])
        elif path == "/MAAS/api/2.0/version/":
            unchecked_query(region.conf, "SELECT 1")
            self.answer(200, {"capabilities": ["authenticate-api"], "version": VERSION, "subversion": ""})
        elif path == "/MAAS/accounts/login/":
            nobody = not query(region.conf, "SELECT 1 FROM auth_user")
            self.answer(200, {"authenticated": False, "external_auth_url": None, "no_users": nobody})
        elif path == "/MAAS/metrics" and get_config(region.conf, "prometheus_enabled"):
            nodes = query(region.conf, "SELECT node_type, count(*) FROM maasserver_node GROUP BY 1")
            self.answer(200, "".join(f'maas_nodes{{type="{kind}"}} {count}\n' for kind, count in nodes), "text/plain")
        elif path.startswith("/MAAS/api/2.0/") and path.split("?")[0].endswith("/"):
            self.get_api(path[len("/MAAS/api/2.0/") :])
        else:
            self.answer(404, f"Unknown API endpoint: {path}.", "text/plain")

    def get_api(self, path):
        conf = self.server.region.conf
        if not self.is_authorized():
            return
        if path in ("regioncontrollers/", "rackcontrollers/"):
            kind = 3 if "region" in path else 2
            rows = query(
                conf,
                "SELECT node_type, system_id, hostname, address, version, reported, addresses FROM maasserver_node WHERE node_type IN (%s, 4) ORDER BY 3",
                (kind,),
            )
            self.answer(200, [controller(conf, kind == 2, *row) for row in rows])
        elif path.startswith("maas/?"):
            name = dict(urllib.parse.parse_qsl(path.split("?")[1])).get("name", "")
            if name in CONFIG_ITEMS:
                self.answer(200, json.dumps(get_config(conf, name)))
            else:
                self.answer(400, unknown_setting(name))
        elif path == "fabrics/":
            self.answer(200, [{"id": 0, "name": "fabric-0", "vlans": vlans(conf)}])
        elif path == "fabrics/0/vlans/":
            self.answer(200, vlans(conf))
        elif path == "ipranges/":
            rows = query(conf, "SELECT start_ip, end_ip, vlan FROM maasserver_iprange ORDER BY 1")
            self.answer(200, [{"type": "dynamic", "start_ip": s, "end_ip": e, "subnet": {"cidr": "10.0.0.0/24", "vlan": {"id": v}}} for s, e, v in rows])
        else:
            self.answer(404, f"Unknown API endpoint: /MAAS/api/2.0/{path}.", "text/plain")

    def form(self):
        length = int(self.headers.get("Content-Length") or 0)
        return dict(urllib.parse.parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True))

    def post(self):
        conf = self.server.region.conf
        form = self.form()
        if not self.is_authorized():
            return
        if self.path == "/MAAS/api/2.0/ipranges/":
            query(conf, "INSERT INTO maasserver_iprange VALUES (%s, %s, 5001)", (form["start_ip"], form["end_ip"]))
            self.answer(200, {"type": form["type"], "start_ip": form["start_ip"], "end_ip": form["end_ip"]})
        elif self.path == "/MAAS/api/2.0/maas/?op=set_config":
            if form["name"] not in CONFIG_ITEMS:
                return self.answer(400, unknown_setting(form["name"]))
            try:
                set_config(conf, form["name"], CONFIG_ITEMS[form["name"]][0](form["value"]))
            except ValueError as error:
                return self.answer(400, {form["name"]: [str(error)]})
            self.answer(200, "OK", "text/plain")
        else:
            self.answer(404, f"Unknown API endpoint: {self.path}.", "text/plain")

    def put(self):
        conf = self.server.region.conf
        form = self.form()
        if not self.is_authorized():
            return
        match = re.fullmatch(r"/MAAS/api/2.0/(?:fabrics/0/vlans/(\d+)|vlans/(\d+))/", self.path)
        found = [vlan for vlan in vlans(conf) if match and match[1 if match[1] else 2] == str(vlan["vid" if match[1] else "id"])]
        if not found:
            self.answer(404, "No VLAN matches the given query.", "text/plain")
            return
        problems = vlan_problems(conf, found[0], form)
        if problems:
            self.answer(400, problems)
            return
        wanted = racks_after(found[0], form)
        is_on = boolean(form["dhcp_on"]) if "dhcp_on" in form else found[0]["dhcp_on"]
        before = vlans(conf)
        set_vlan(conf, {**wanted, "dhcp_on": is_on})
        if self.tells_racks(conf, before):
            self.answer(200, vlans(conf)[0])

    def delete(self):
        conf = self.server.region.conf
        match = re.fullmatch(r"/MAAS/api/2.0/(region|rack)controllers/(\w+)/(\?force=true)?", self.path)
        if not self.is_authorized():
            return
        kind = match and {"region": 3, "rack": 2}[match[1]]
        name = match and query(conf, "SELECT hostname, node_type FROM maasserver_node WHERE system_id = %s AND node_type IN (%s, 4)", (match[2], kind))
        if not name:
            model = "RackController" if kind == 2 else "RegionController"
            self.answer(404, f"No {model} matches the given query.", "text/plain")
        elif kind == 3 and query(conf, "SELECT 1 FROM maasserver_regionprocess WHERE system_id = %s", (match[2],)):
            self.answer(400, f"Unable to delete {name[0][0]} as it's currently running.", "text/plain")
        elif kind == 2:
            self.delete_rack(conf, match[2], *name[0], is_forced=bool(match[3]))
        else:
            self.forget(conf, match[2], name[0][1], kind)
            self.answer(204, b"", "text/plain")

    def tells_racks(self, conf, before):
        """From 3.7 on Temporal tells them of a change of DHCP, once it is committed; where that is down, the answer is a 500."""
        changed = any(old["dhcp_on"] or new["dhcp_on"] for old, new in zip(before, vlans(conf)) if any(new[name] != old[name] for name in new))
        if SNAP or SHORT < (3, 7) or not changed:
            return True
        try:
            socket.create_connection((settings()["address"] or "localhost", TEMPORAL_PORT), timeout=5).close()
            return True
        except OSError as error:
            self.answer(500, f"Failed client connect: Server connection error: {error}", "text/plain; charset=utf-8")
            return False

    def forget(self, conf, system_id, node_type, kind):
        # One that is both goes on as the other.
        if node_type == 4:
            query(conf, "UPDATE maasserver_node SET node_type = %s WHERE system_id = %s", (5 - kind, system_id))
        else:
            query(conf, "DELETE FROM maasserver_node WHERE system_id = %s", (system_id,))

    def delete_rack(self, conf, rack, name, node_type, is_forced):
        """Others take over its DHCP. VLANs without DHCP keep it as their primary rack, and so it cannot go."""
        after = [vlan_without(conf, vlan, rack) for vlan in vlans(conf)]
        disabled = [vlan for vlan in after if vlan["was_on"] and not vlan["dhcp_on"]]
        if disabled and not is_forced:
            self.answer(
                400,
                f"Unable to delete '{name}'; it is currently set as a primary rack controller on VLANs "
                f"{', '.join(vlan['fabric'] + '.' + vlan['name'] for vlan in disabled)} and no other rack controller can provide DHCP.",
                "text/plain",
            )
            return
        if node_type != 4 and any(vlan["primary_rack"] == rack for vlan in after):
            self.answer(500, PROTECTED_RACK, "text/plain; charset=utf-8")
            return
        before = vlans(conf)
        for vlan in after:
            set_vlan(conf, vlan)
        self.forget(conf, rack, node_type, 2)
        if self.tells_racks(conf, before):
            self.answer(204, b"", "text/plain")

    def is_authorized(self):
        """OAuth 1.0a with the signature method PLAINTEXT."""
        header = self.headers.get("Authorization", "")
        fields = {name: urllib.parse.unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}
        if not header.startswith("OAuth "):
            self.answer(400, "Unrecognised signature: method=GET op=None", "text/plain")
            return False
        key = f"{fields.get('oauth_consumer_key')}:{fields.get('oauth_token')}:{fields.get('oauth_signature', '')[1:]}"
        if query(self.server.region.conf, "SELECT 1 FROM piston3_token WHERE key = %s", (key,)):
            return True
        self.answer(401, "Authorization Error: Invalid API key.", "text/plain")
        return False
