// Written from charmcraft.yaml, by `juju-ts-ops types`.
const declared = {
  "name": "guestbook",
  "subordinate": false,
  "provides": {
    "website": {
      "interface": "http",
      "scope": "global"
    },
    "cos-agent": {
      "interface": "cos_agent",
      "scope": "container"
    }
  },
  "requires": {
    "database": {
      "interface": "postgresql_client",
      "scope": "global"
    },
    "certificates": {
      "interface": "tls-certificates",
      "scope": "global"
    }
  },
  "peers": {
    "cluster": {
      "interface": "guestbook-cluster",
      "scope": "global"
    }
  },
  "options": {
    "title": {
      "type": "string",
      "default": "Guestbook"
    },
    "port": {
      "type": "int",
      "default": 8080
    },
    "tls-port": {
      "type": "int",
      "default": 8443
    },
    "hostname": {
      "type": "string",
      "default": ""
    }
  },
  "actions": {
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
export interface GuestbookCharmcraft extends Declared {}
export const charmcraft: GuestbookCharmcraft = declared;
