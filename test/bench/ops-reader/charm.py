"""The reads of ../reader, in a charm for Python's ops."""

import ops


class Reader(ops.CharmBase):
    def __init__(self, framework):
        super().__init__(framework)
        framework.observe(self.on.update_status, self._on_update_status)

    def _on_update_status(self, _event):
        port, title = self.config["port"], self.config["title"]
        leads = self.unit.is_leader()
        hosts, total = [], 0
        for endpoint in ("db", "proxy"):
            for relation in self.model.relations[endpoint]:
                hosts.append(relation.data[relation.app].get("host", ""))
                for unit in relation.units:
                    total += int(relation.data[unit].get("port", "0"))
        self.unit.status = ops.ActiveStatus(
            f"{title} {port} {'leads' if leads else 'follows'} {' '.join(hosts)} {total}"
        )


ops.main(Reader)
