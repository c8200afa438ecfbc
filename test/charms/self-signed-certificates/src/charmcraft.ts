// Written from charmcraft.yaml, by `juju-ts-ops types`.
export const charmcraft = {
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
