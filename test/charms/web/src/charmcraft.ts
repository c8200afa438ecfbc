// Written from charmcraft.yaml, by `juju-ts-ops types`.
const declared = {
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

type Declared = typeof declared;
/** What charmcraft.yaml declares. */
export interface WebCharmcraft extends Declared {}
export const charmcraft: WebCharmcraft = declared;
