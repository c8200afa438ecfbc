// Written from charmcraft.yaml, by `juju-ts-ops types`.
const declared = {
  "name": "maas-region",
  "subordinate": false,
  "provides": {
    "rpc": {
      "interface": "maas-rpc",
      "scope": "global"
    },
    "api": {
      "interface": "http",
      "scope": "global"
    },
    "cos-agent": {
      "interface": "cos_agent",
      "scope": "global"
    }
  },
  "requires": {
    "db": {
      "interface": "pgsql",
      "scope": "global"
    },
    "database": {
      "interface": "postgresql_client",
      "scope": "global"
    },
    "vip": {
      "interface": "keepalived-vip",
      "scope": "global"
    },
    "certificates": {
      "interface": "tls-certificates",
      "scope": "global"
    }
  },
  "peers": {
    "region-cluster": {
      "interface": "maas-region-cluster",
      "scope": "global"
    }
  },
  "options": {
    "source": {
      "type": "string",
      "default": ""
    },
    "maas-url": {
      "type": "string",
      "default": ""
    },
    "database-name": {
      "type": "string",
      "default": "maasdb"
    },
    "num-workers": {
      "type": "int",
      "default": 4
    },
    "debug": {
      "type": "boolean",
      "default": false
    },
    "http-proxy": {
      "type": "string",
      "default": ""
    },
    "upstream-dns": {
      "type": "string",
      "default": ""
    },
    "prometheus-metrics": {
      "type": "boolean",
      "default": false
    },
    "tls-mode": {
      "type": "string",
      "default": "disabled"
    },
    "certificate": {
      "type": "secret"
    },
    "database-proxy": {
      "type": "boolean",
      "default": true
    }
  },
  "actions": {
    "adopt": {
      "params": {},
      "required": []
    },
    "create-admin": {
      "params": {
        "username": {
          "type": "string"
        },
        "email": {
          "type": "string"
        }
      },
      "required": [
        "username",
        "email"
      ]
    },
    "get-api-key": {
      "params": {
        "username": {
          "type": "string"
        }
      },
      "required": [
        "username"
      ]
    },
    "list-controllers": {
      "params": {},
      "required": []
    },
    "configure-dhcp-ha": {
      "params": {
        "fabric": {
          "type": "string"
        },
        "vlan": {
          "type": "integer"
        },
        "primary": {
          "type": "string"
        },
        "secondary": {
          "type": "string"
        }
      },
      "required": []
    },
    "create-backup": {
      "params": {
        "database-backup": {
          "type": "string"
        }
      },
      "required": [
        "database-backup"
      ]
    },
    "list-backups": {
      "params": {},
      "required": []
    },
    "restore-backup": {
      "params": {
        "backup-id": {
          "type": "string"
        },
        "database-backup": {
          "type": "string"
        }
      },
      "required": [
        "backup-id",
        "database-backup"
      ]
    },
    "rotate-secret": {
      "params": {},
      "required": []
    },
    "upgrade": {
      "params": {},
      "required": []
    },
    "pause": {
      "params": {},
      "required": []
    },
    "resume": {
      "params": {},
      "required": []
    },
    "show-plan": {
      "params": {},
      "required": []
    },
    "show-status": {
      "params": {},
      "required": []
    }
  }
} as const;

type Declared = typeof declared;
/** What charmcraft.yaml declares. */
export interface MaasRegionCharmcraft extends Declared {}
export const charmcraft: MaasRegionCharmcraft = declared;
