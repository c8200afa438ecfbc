// Written from charmcraft.yaml, by `juju-ts-ops types`.
const declared = {
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
    },
    "synchronous-node-count": {
      "type": "string",
      "default": "all"
    },
    "tls": {
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
    },
    "rotate-passwords": {
      "params": {},
      "required": []
    }
  }
} as const;

type Declared = typeof declared;
/** What charmcraft.yaml declares. */
export interface PostgresqlCharmcraft extends Declared {}
export const charmcraft: PostgresqlCharmcraft = declared;
