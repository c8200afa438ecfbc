// Written from charmcraft.yaml, by `juju-ts-ops types`.
export const charmcraft = {
  "name": "collector",
  "subordinate": true,
  "provides": {},
  "requires": {
    "cos-agent": {
      "interface": "cos_agent",
      "scope": "container"
    }
  },
  "peers": {},
  "options": {},
  "actions": {}
} as const;
