import { PipelineError } from '../../errors.ts';
import { originOf } from './urls.ts';

/** How one client talks to servers. What is left out has the default named here. */
export interface HttpSettings {
  /** Attempts after the first that may fail in a row without bringing a reasonable part of what is wanted. Default 6. */
  readonly retries?: number | undefined;
  /** Milliseconds without a byte after which a connection, an answer or a body counts as stalled. Default 30,000. */
  readonly stallMs?: number | undefined;
  /** Pauses between attempts are drawn from 0 to `firstMs`, doubled each time up to `mostMs`. Default 500 and 30,000. */
  readonly backoff?: { readonly firstMs: number; readonly mostMs: number } | undefined;
  /** Longest wait in milliseconds that a server may ask for (`Retry-After`, `RateLimit`). Default 300,000. */
  readonly mostWaitMs?: number | undefined;
  /** Requests that are open at the same time, first come first served. Default 8. */
  readonly openRequests?: number | undefined;
  /**
   * Hosts that may be talked to, also after a redirect: `example.org`, `*.example.org` for all below it, either with
   * `:port`. Default: any. Endpoints are always allowed.
   */
  readonly hosts?: readonly string[] | undefined;
  /** Origins (`http://127.0.0.1:8080`) that a person configured: they may lie in a private network. Default: none. */
  readonly endpoints?: readonly string[] | undefined;
  /** Lets every name lead to this machine and to private networks. Default false: only endpoints may. */
  readonly allowPrivate?: boolean | undefined;
  /** Headers, such as credentials, for an origin (`scheme://host:port`) and for no other, whatever redirects to it. */
  readonly headers?: ((origin: string) => Readonly<Record<string, string>>) | undefined;
  /** Ends everything the client does, at once, with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told of bytes of bodies as they arrive, those that are thrown away included. */
  readonly onTransfer?: ((bytes: number) => void) | undefined;
}

/** Settings with every default in place. */
export interface Settings {
  readonly retries: number;
  readonly stallMs: number;
  readonly backoff: { readonly firstMs: number; readonly mostMs: number };
  readonly mostWaitMs: number;
  readonly openRequests: number;
  readonly hosts: readonly string[] | undefined;
  readonly endpoints: ReadonlySet<string>;
  readonly allowPrivate: boolean;
  readonly headers: (origin: string) => Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
  readonly onTransfer: (bytes: number) => void;
}

/** Longest delay that a timer of Node takes. */
export const MOST_MS = 2 ** 31 - 1;

/**
 * Checks settings and puts defaults in place.
 *
 * @throws PipelineError `BAD_OPTION`
 */
export function resolveSettings(given: HttpSettings): Settings {
  const backoff = given.backoff ?? { firstMs: 500, mostMs: 30_000 };
  return {
    retries: whole('retries', given.retries ?? 6, 0, 1000),
    stallMs: whole('stallMs', given.stallMs ?? 30_000, 1, MOST_MS),
    backoff: {
      firstMs: whole('backoff.firstMs', backoff.firstMs, 0, MOST_MS),
      mostMs: whole('backoff.mostMs', backoff.mostMs, backoff.firstMs, MOST_MS),
    },
    mostWaitMs: whole('mostWaitMs', given.mostWaitMs ?? 300_000, 0, MOST_MS),
    openRequests: whole('openRequests', given.openRequests ?? 8, 1, 1024),
    hosts: given.hosts?.map((host) => host.toLowerCase()),
    endpoints: new Set((given.endpoints ?? []).map(endpoint)),
    allowPrivate: given.allowPrivate ?? false,
    headers: given.headers ?? (() => ({})),
    signal: given.signal,
    onTransfer: given.onTransfer ?? (() => {}),
  };
}

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new PipelineError(`HTTP: ${name} cannot be ${value}`, {
    code: 'BAD_OPTION',
    hint: `Give a whole number from ${least} to ${most}.`,
  });
}

function endpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return originOf(url);
  throw new PipelineError(`HTTP: '${text}' is no endpoint`, {
    code: 'BAD_OPTION',
    hint: 'Give an address such as https://example.org or http://127.0.0.1:8080.',
  });
}
