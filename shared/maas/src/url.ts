import { isIPv6 } from 'node:net';

/** The port on which every region controller serves HTTP. */
export const REGION_HTTP_PORT = 5240;

/** The URL of MAAS behind a host, as regiond.conf and rackd.conf take it: IPv6 in brackets, no port that the scheme implies. */
export function maasUrl(scheme: 'http' | 'https', host: string, port: number): string {
  const implied = scheme === 'http' ? 80 : 443;
  return `${scheme}://${isIPv6(host) ? `[${host}]` : host}${port === implied ? '' : `:${port}`}/MAAS`;
}
