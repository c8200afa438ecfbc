import { isIPv6 } from 'node:net';

/** The port on which every region controller serves HTTP. */
export const REGION_HTTP_PORT = 5240;

/** The URL of MAAS behind a host, as regiond.conf and rackd.conf take it: IPv6 in brackets, no port that the scheme implies. */
export function maasUrl(scheme: 'http' | 'https', host: string, port: number): string {
  const implied = scheme === 'http' ? 80 : 443;
  return `${scheme}://${isIPv6(host) ? `[${host}]` : host}${port === implied ? '' : `:${port}`}/MAAS`;
}

/**
 * A URL that a user gives, in the one form that every controller understands: it ends with `/MAAS`, without a slash.
 * `undefined` where it cannot be MAAS': another scheme or path, a query, a user.
 */
export function normalUrl(text: string): string | undefined {
  const url = URL.parse(text.trim());
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '')
    return undefined;
  const path = url.pathname.replace(/\/+$/, '');
  return path === '' || path === '/MAAS' ? `${url.protocol}//${url.host}/MAAS` : undefined;
}
