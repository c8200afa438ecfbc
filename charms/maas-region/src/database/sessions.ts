/**
 * What the charm's own connections to PostgreSQL call themselves. They come with MAAS' user from every region, also where
 * no MAAS runs.
 */
export const OWN_SESSIONS = { charm: 'maas-ha', checker: 'maas-ha-database-proxy' } as const;
