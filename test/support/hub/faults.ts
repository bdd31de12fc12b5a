/** What goes wrong with an answer. Positions count bytes of the body as the answer would have it, from 0. */
export type FaultKind =
  /** An answer without the file: 429, 503, 403, ... `retryAfter` in seconds also fills the header `RateLimit`. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: number; readonly message?: string }
  /** The connection is closed before any answer. */
  | { readonly kind: 'reset' }
  /** The connection is closed after some bytes of the body. */
  | { readonly kind: 'cut'; readonly after: number }
  /** The body ends early and Content-Length agrees with it. */
  | { readonly kind: 'short'; readonly by: number }
  /** The body ends early, in chunked encoding, as if it were whole. */
  | { readonly kind: 'lenlie'; readonly after: number }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  /** Nothing comes for a while once some bytes of the body are sent. */
  | { readonly kind: 'stall'; readonly after: number; readonly ms: number }
  /** Another ETag (and X-Linked-ETag) than the file's. */
  | { readonly kind: 'etag'; readonly value: string }
  /** The whole file with status 200, whatever Range says. */
  | { readonly kind: 'norange' }
  /** One byte of the file at this offset has all its bits turned. */
  | { readonly kind: 'corrupt'; readonly at: number }
  /** The redirect leads to a link that has expired. */
  | { readonly kind: 'expired' }
  /** A redirect to somewhere else. */
  | { readonly kind: 'redirect'; readonly location: string };

const OF_FILES: ReadonlySet<string> = new Set(['short', 'lenlie', 'norange', 'corrupt']);
const OF_BODIES: ReadonlySet<string> = new Set(['cut', 'slow', 'stall']);

/** Whether a fault can happen to a request; it waits for one that it can happen to. */
function concerns({ kind }: Fault, method: string, path: string): boolean {
  const redirected = /^\/datasets\/[^/]+\/[^/]+\/resolve\//.test(path);
  if (kind === 'expired') return redirected;
  if (OF_FILES.has(kind)) return method !== 'HEAD' && /^\/(files|api\/resolve-cache)\//.test(path);
  return !OF_BODIES.has(kind) || (method !== 'HEAD' && !redirected);
}

/** A rule: requests that match, in the order they come, get the fault. */
export type Fault = FaultKind & {
  /** Against `METHOD /path` without the query, as in `GET /datasets/a/b/resolve/main/x.parquet`. Default: every request. */
  readonly match?: RegExp;
  /** Default: both. Files that git-LFS holds are sent by the CDN, all else by the Hub. */
  readonly origin?: 'hub' | 'cdn';
  /** Matching requests that are spared first. Default 0. */
  readonly skip?: number;
  /** Matching requests that it happens to; then the rule is spent. Default 1. */
  readonly times?: number;
};

/** Rules in the order they were added; the first that matches is taken. */
export class FaultRules {
  readonly #rules: { readonly fault: Fault; skip: number; times: number }[] = [];

  add(fault: Fault): void {
    this.#rules.push({ fault, skip: fault.skip ?? 0, times: fault.times ?? 1 });
  }

  clear(): void {
    this.#rules.length = 0;
  }

  take(method: string, path: string, origin: 'hub' | 'cdn'): Fault | undefined {
    const rule = this.#rules.find(
      ({ fault, times }) =>
        times > 0 &&
        (fault.match?.test(`${method} ${path}`) ?? true) &&
        (fault.origin ?? origin) === origin &&
        concerns(fault, method, path),
    );
    if (rule === undefined) return undefined;
    if (rule.skip > 0) {
      rule.skip--;
      return undefined;
    }
    rule.times--;
    return rule.fault;
  }
}
