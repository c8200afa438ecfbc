// Written from charmcraft.yaml, by `juju-ts-ops types`.
const declared = {
  "name": "reader",
  "subordinate": false,
  "provides": {},
  "requires": {
    "db": {
      "interface": "sql",
      "scope": "global"
    },
    "proxy": {
      "interface": "http",
      "scope": "global"
    }
  },
  "peers": {},
  "options": {
    "port": {
      "type": "int",
      "default": 80
    },
    "title": {
      "type": "string",
      "default": "Untitled"
    }
  },
  "actions": {}
} as const;

type Declared = typeof declared;
/** What charmcraft.yaml declares. */
export interface ReaderCharmcraft extends Declared {}
export const charmcraft: ReaderCharmcraft = declared;
