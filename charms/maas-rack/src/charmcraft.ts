// Written from charmcraft.yaml, by `juju-ts-ops types`.
export const charmcraft = {
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
