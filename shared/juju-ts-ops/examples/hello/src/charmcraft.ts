// Written from charmcraft.yaml, by `juju-ts-ops types`.
const declared = {
  "name": "hello",
  "subordinate": false,
  "provides": {},
  "requires": {},
  "peers": {
    "others": {
      "interface": "hello",
      "scope": "global"
    }
  },
  "options": {
    "greeting": {
      "type": "string",
      "default": "Hello"
    }
  },
  "actions": {
    "greet": {
      "params": {
        "name": {
          "type": "string"
        }
      },
      "required": [
        "name"
      ]
    },
    "show-plan": {
      "params": {},
      "required": []
    }
  }
} as const;

type Declared = typeof declared;
/** What charmcraft.yaml declares. */
export interface HelloCharmcraft extends Declared {}
export const charmcraft: HelloCharmcraft = declared;
