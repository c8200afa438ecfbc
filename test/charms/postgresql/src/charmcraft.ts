// Written by `node build.mjs --types` from charmcraft.yaml.
export const charmcraft = {
  name: 'postgresql',
  subordinate: false,
  provides: {
    db: {
      interface: 'pgsql',
      scope: 'global',
    },
    database: {
      interface: 'postgresql_client',
      scope: 'global',
    },
  },
  requires: {},
  peers: {},
  options: {
    experimental_max_connections: {
      type: 'int',
      default: 200,
    },
    plugin_btree_gin_enable: {
      type: 'boolean',
      default: false,
    },
  },
  actions: {},
} as const;
