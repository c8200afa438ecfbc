// Written from charmcraft.yaml, by `juju-ts-ops types`.
export const charmcraft = {
  "name": "postgresql",
  "subordinate": false,
  "provides": {
    "db": {
      "interface": "pgsql",
      "scope": "global"
    },
    "database": {
      "interface": "postgresql_client",
      "scope": "global"
    }
  },
  "requires": {},
  "peers": {
    "cluster": {
      "interface": "postgresql-peers",
      "scope": "global"
    }
  },
  "options": {
    "experimental-max-connections": {
      "type": "int",
      "default": 200
    },
    "plugin-btree-gin-enable": {
      "type": "boolean",
      "default": false
    },
    "plugin-pgcrypto-enable": {
      "type": "boolean",
      "default": false
    }
  },
  "actions": {
    "promote-to-primary": {
      "params": {
        "scope": {
          "type": "string"
        }
      },
      "required": [
        "scope"
      ]
    }
  }
} as const;
