// Written from charmcraft.yaml, by `juju-ts-ops types`.
const declared = {
  "name": "keepalived-vip",
  "subordinate": true,
  "provides": {
    "vip": {
      "interface": "keepalived-vip",
      "scope": "global"
    }
  },
  "requires": {
    "juju-info": {
      "interface": "juju-info",
      "scope": "container"
    }
  },
  "peers": {
    "vrrp-cluster": {
      "interface": "vrrp-cluster",
      "scope": "global"
    }
  },
  "options": {
    "vip": {
      "type": "string",
      "default": ""
    },
    "interface": {
      "type": "string",
      "default": ""
    },
    "virtual-router-id": {
      "type": "int",
      "default": 51
    },
    "priority": {
      "type": "int",
      "default": 0
    },
    "advert-interval": {
      "type": "float",
      "default": 0.1
    },
    "vrrp-version": {
      "type": "int",
      "default": 3
    },
    "preempt": {
      "type": "boolean",
      "default": false
    },
    "unicast": {
      "type": "boolean",
      "default": true
    },
    "track": {
      "type": "string",
      "default": "haproxy named"
    }
  },
  "actions": {
    "show-owner": {
      "params": {},
      "required": []
    },
    "release-vip": {
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
export interface KeepalivedVipCharmcraft extends Declared {}
export const charmcraft: KeepalivedVipCharmcraft = declared;
