/** What Juju tells a charm of the model's proxies, and what programs that go out know it as. https://documentation.ubuntu.com/juju (juju-http-proxy) */
const PROXIES = {
  http_proxy: 'JUJU_CHARM_HTTP_PROXY',
  https_proxy: 'JUJU_CHARM_HTTPS_PROXY',
  no_proxy: 'JUJU_CHARM_NO_PROXY',
} as const;

/** For the environment of a program that goes out: the proxies of the model, where it has any. A proxy in apt's own configuration counts before these. */
export function proxyEnvironment(env: NodeJS.ProcessEnv = process.env): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(PROXIES).flatMap(([name, told]) => {
      const value = env[told];
      return value === undefined || value === '' ? [] : [[name, value] as const];
    }),
  );
}
