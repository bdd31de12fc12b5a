import { SluiceError, SourceError } from '../../errors.ts';
import { RefusedAddress } from './addresses.ts';
import { type Headers, header } from './headers.ts';
import { retryAfter } from './retryAfter.ts';
import { privateAddress } from './urls.ts';

export interface FailureOptions {
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Times in a row that this failure, by its code, is worth another attempt. Default 0. */
  readonly retries?: number | undefined;
  /** Milliseconds that the server asks to wait before the next. */
  readonly waitMs?: number | undefined;
}

/** One attempt did not succeed: what went wrong, and whether it may help to try again. */
export class AttemptFailure extends Error {
  override name = 'AttemptFailure';
  readonly code: string;
  readonly path: string;
  readonly hint: string | undefined;
  readonly retries: number;
  readonly waitMs: number | undefined;

  constructor(code: string, path: string, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.path = path;
    this.hint = options.hint;
    this.retries = options.retries ?? 0;
    this.waitMs = options.waitMs;
  }

  /** The same, worth another number of attempts. */
  withRetries(retries: number): AttemptFailure {
    const { code, path, message, hint, waitMs, cause } = this;
    return new AttemptFailure(code, path, message, { hint, waitMs, cause, retries });
  }

  /** The error that ends the attempts. */
  final(attempts: number): SourceError {
    const { code, path, hint, cause } = this;
    const tried = attempts > 1 ? ` (after ${attempts} attempts)` : '';
    return new SourceError(`'${path}': ${this.message}${tried}`, { code, path, hint, cause });
  }
}

const AGAIN = Number.POSITIVE_INFINITY;

/** Statuses after which the same request may well succeed later. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What an answer's status means where it is none of those that were hoped for. */
export function statusFailure(path: string, status: number, headers: Headers): AttemptFailure {
  const said = sayings(headers);
  const retries = PASSING.has(status) ? AGAIN : 0;
  const waitMs = retries > 0 ? retryAfter(headers, Date.now()) : undefined;
  switch (status) {
    case 401:
      return new AttemptFailure('NOT_AUTHORISED', path, `the server wants to know who asks (401)${said}`, {
        hint: 'Configure a token for this server, or check the one that is configured.',
      });
    case 403:
      return new AttemptFailure('FORBIDDEN', path, `the server refuses access (403)${said}`, {
        hint: 'Ask for access with this account, or use the token of one that has it.',
      });
    case 404:
    case 410:
      return new AttemptFailure('NOT_FOUND', path, `the server has no such file (${status})${said}`, {
        hint: 'Check the address; some servers say so, too, of what one has no access to.',
      });
    case 429:
      return new AttemptFailure('RATE_LIMITED', path, `the server is asked too often (429)${said}`, {
        hint: 'Run again later, with fewer workers, or with a token that has a higher limit.',
        retries,
        waitMs,
      });
    default:
      return retries > 0
        ? new AttemptFailure('NETWORK', path, `the server cannot answer for now (${status})${said}`, {
            hint: 'Run again when it is well; what is finished is kept.',
            retries,
            waitMs,
          })
        : new AttemptFailure('HTTP_STATUS', path, `the server answers ${status}${said}`);
  }
}

/** The Hub's own words, where it sends them. */
function sayings(headers: Headers): string {
  const message = header(headers, 'x-error-message');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what a server says must not steer a terminal
  return message === undefined ? '' : `: ${message.slice(0, 300).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')}`;
}

/** Failures of TLS that stay as they are however often one asks. */
const CERTIFICATE = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT|ERR_SSL_|HOSTNAME_MISMATCH|INVALID_CA)/;

/** Turns what the transport throws into a failure; what is no failure of the network passes unchanged. */
export function transportFailure(path: string, error: unknown): unknown {
  if (error instanceof AttemptFailure || error instanceof SluiceError) return error;
  if (error instanceof RefusedAddress) return privateAddress(path, error.address, error.kind);
  const cause = firstOf(error);
  if (!(cause instanceof Error) || !('code' in cause)) return error;
  const code = String(cause.code);
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') {
    return new AttemptFailure('STALLED', path, 'no connection comes about', {
      hint: 'Check the address, and whether this machine may connect to it; run again.',
      retries: AGAIN,
      cause,
    });
  }
  if (CERTIFICATE.test(code)) {
    return new AttemptFailure('TLS', path, `the server's certificate is not trusted (${code})`, {
      hint: 'Check the clock and the address; NODE_EXTRA_CA_CERTS names a file of further authorities.',
      cause,
    });
  }
  if (code === 'ENOTFOUND') {
    // A name that does not exist stays unknown, but a network that just came up says the same.
    return new AttemptFailure('NETWORK', path, 'the name of the server is unknown', {
      hint: 'Check the address, and whether this machine is connected.',
      retries: 2,
      cause,
    });
  }
  if (!/^(UND_ERR_|HPE_|E[A-Z]+$|EAI_|ERR_STREAM|ERR_HTTP)/.test(code) || code.startsWith('UND_ERR_INVALID'))
    return error;
  return new AttemptFailure('NETWORK', path, `the connection failed: ${cause.message || code}`, {
    hint: 'Check whether this machine is connected, and run again; what is finished is kept.',
    retries: AGAIN,
    cause,
  });
}

/** Where several addresses of a host were tried, the failures come as one. */
function firstOf(error: unknown): unknown {
  if (!(error instanceof AggregateError)) return error;
  return error.errors[0];
}
