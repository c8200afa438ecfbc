// Written from charmcraft.yaml, by `juju-ts-ops types`.
const declared = {
  "name": "haproxy",
  "subordinate": true,
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
    "juju-info": {
      "interface": "juju-info",
      "scope": "container"
    },
    "reverseproxy": {
      "interface": "http",
      "scope": "global"
    },
    "certificates": {
      "interface": "tls-certificates",
      "scope": "global"
    },
    "vip": {
      "interface": "keepalived-vip",
      "scope": "global"
    }
  },
  "peers": {
    "proxy-cluster": {
      "interface": "haproxy-cluster",
      "scope": "global"
    }
  },
  "options": {
    "port": {
      "type": "int",
      "default": 80
    },
    "balance": {
      "type": "string",
      "default": "source"
    },
    "server-timeout": {
      "type": "string",
      "default": "15m"
    },
    "tunnel-timeout": {
      "type": "string",
      "default": "1h"
    },
    "hard-stop-after": {
      "type": "string",
      "default": "30m"
    },
    "health-check": {
      "type": "string",
      "default": ""
    },
    "stats-port": {
      "type": "int",
      "default": 0
    },
    "certificate": {
      "type": "secret"
    },
    "tls-port": {
      "type": "int",
      "default": 443
    },
    "tls-names": {
      "type": "string",
      "default": ""
    },
    "extra-config": {
      "type": "string",
      "default": ""
    }
  },
  "actions": {
    "show-backends": {
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
export interface HaproxyCharmcraft extends Declared {}
export const charmcraft: HaproxyCharmcraft = declared;
