import { SourceError } from '../../errors.ts';
import { refusedAddress } from './addresses.ts';
import type { Settings } from './settings.ts';

/** `scheme://host:port` of an HTTP address; the port is left out where it is the scheme's own. */
export function originOf(url: URL): string {
  return `${url.protocol}//${url.host}`;
}

/** An address as messages may show it: what stands behind `?` is often a signature, and before `@` a password. */
export function shownUrl(url: URL | string): string {
  if (typeof url === 'string') {
    if (URL.canParse(url)) return shownUrl(new URL(url));
    return url
      .replace(/\?.*$/s, '?...')
      .replace(/\/\/[^/]*@/, '//')
      .slice(0, 200);
  }
  return `${originOf(url)}${url.pathname}${url.search === '' ? '' : '?...'}`;
}

/**
 * The address to ask, checked: HTTP, without a user name, on a host that is allowed, and no literal address of a
 * private network. (Names are checked when they are resolved: see `guardedLookup`.)
 *
 * @throws SourceError `BAD_URL`, `HOST_NOT_ALLOWED`, `PRIVATE_ADDRESS`
 */
export function checkedUrl(text: string, settings: Settings): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new SourceError(`'${shownUrl(text)}' is no http:// or https:// address`, {
      code: 'BAD_URL',
      path: shownUrl(text),
    });
  }
  const path = shownUrl(url);
  if (url.username !== '' || url.password !== '') {
    throw new SourceError(`'${path}' was given with a user name or password in it`, {
      code: 'BAD_URL',
      path,
      hint: 'Take it out of the address; credentials belong in the settings of the client.',
    });
  }
  url.hash = '';
  if (settings.endpoints.has(originOf(url))) return url;
  if (settings.hosts !== undefined && !settings.hosts.some((allowed) => allows(allowed, url))) {
    throw new SourceError(`'${path}' lies on a host that is not allowed`, {
      code: 'HOST_NOT_ALLOWED',
      path,
      hint: `Add ${url.host} to the allowed hosts if it is to be trusted. Allowed are: ${settings.hosts.join(', ')}.`,
    });
  }
  if (!settings.allowPrivate) {
    const kind = refusedAddress(url.hostname);
    if (kind !== undefined) throw privateAddress(path, url.hostname, kind);
  }
  return url;
}

/** The error of an address that data, or a redirect, named and that leads into a private network. */
export function privateAddress(path: string, address: string, kind: string): SourceError {
  return new SourceError(`'${path}' leads to ${address}, which is no public address (${kind})`, {
    code: 'PRIVATE_ADDRESS',
    path,
    hint: `If this server is meant, configure it: remote: { http: { endpoints: ['${new URL(path).origin}'] } }.`,
  });
}

function allows(allowed: string, url: URL): boolean {
  const host = /:\d+$/.test(allowed) ? `${url.hostname}:${portOf(url)}` : url.hostname;
  return allowed.startsWith('*.') ? host.endsWith(allowed.slice(1)) : host === allowed;
}

function portOf(url: URL): string {
  return url.port !== '' ? url.port : url.protocol === 'https:' ? '443' : '80';
}
