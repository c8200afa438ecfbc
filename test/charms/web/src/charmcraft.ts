// Written from charmcraft.yaml, by `juju-ts-ops types`.
export const charmcraft = {
  "name": "web",
  "subordinate": false,
  "provides": {
    "api": {
      "interface": "http",
      "scope": "global"
    }
  },
  "requires": {},
  "peers": {
    "web-cluster": {
      "interface": "web-cluster",
      "scope": "global"
    }
  },
  "options": {
    "port": {
      "type": "int",
      "default": 5240
    }
  },
  "actions": {}
} as const;
