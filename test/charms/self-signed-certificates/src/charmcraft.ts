// Written from charmcraft.yaml, by `juju-ts-ops types`.
const declared = {
  "name": "self-signed-certificates",
  "subordinate": false,
  "provides": {
    "certificates": {
      "interface": "tls-certificates",
      "scope": "global"
    }
  },
  "requires": {},
  "peers": {},
  "options": {
    "ca-common-name": {
      "type": "string",
      "default": "self-signed-certificates"
    },
    "certificate-validity": {
      "type": "int",
      "default": 365
    },
    "ip-sans": {
      "type": "boolean",
      "default": true
    }
  },
  "actions": {}
} as const;

type Declared = typeof declared;
/** What charmcraft.yaml declares. */
export interface SelfSignedCertificatesCharmcraft extends Declared {}
export const charmcraft: SelfSignedCertificatesCharmcraft = declared;
