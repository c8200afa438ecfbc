// Written from charmcraft.yaml, by `juju-ts-ops types`.
const declared = {
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
  "actions": {
    "show-status": {
      "params": {},
      "required": []
    }
  }
} as const;

type Declared = typeof declared;
/** What charmcraft.yaml declares. */
export interface CollectorCharmcraft extends Declared {}
export const charmcraft: CollectorCharmcraft = declared;
