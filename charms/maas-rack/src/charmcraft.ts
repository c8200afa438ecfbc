// Written from charmcraft.yaml, by `juju-ts-ops types`.
const declared = {
  "name": "maas-rack",
  "subordinate": false,
  "provides": {
    "cos-agent": {
      "interface": "cos_agent",
      "scope": "global"
    }
  },
  "requires": {
    "rpc": {
      "interface": "maas-rpc",
      "scope": "global"
    }
  },
  "peers": {
    "rack-cluster": {
      "interface": "maas-rack-cluster",
      "scope": "global"
    }
  },
  "options": {
    "source": {
      "type": "string",
      "default": ""
    },
    "debug": {
      "type": "boolean",
      "default": false
    }
  },
  "actions": {
    "adopt": {
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
export interface MaasRackCharmcraft extends Declared {}
export const charmcraft: MaasRackCharmcraft = declared;
