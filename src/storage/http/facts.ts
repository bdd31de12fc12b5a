import { contentRange, inputChanged, unsatisfied } from './answerChecks.ts';
import { AttemptFailure, statusFailure } from './attemptFailure.ts';
import { Attempts } from './attempts.ts';
import { bytesHeader, header, strongTag } from './headers.ts';
import type { Answer, Transport } from './transport.ts';

/** What must stay the same of a file while it is read. */
export interface RemoteIdentity {
  /** As it was asked for. */
  readonly url: string;
  /** Bytes. */
  readonly size: number;
  /** Strong validator, in quotes as it was sent; that of the content behind the address where the Hub names one. */
  readonly etag?: string | undefined;
  /** The header's text. Compared only where there is no strong validator. */
  readonly lastModified?: string | undefined;
  /** Whether the server hands out ranges; absent where it did not say. */
  readonly ranges?: boolean | undefined;
}

/** What a server says about a file. */
export interface RemoteFacts extends RemoteIdentity {
  /** Where the bytes come from. It may hold a signature that expires: neither show nor store it. */
  readonly finalUrl: string;
  /** SHA-256 of the bytes in hex, where the Hub names it. */
  readonly sha256?: string | undefined;
  /** The Hub's commit of the revision that was asked for. */
  readonly commit?: string | undefined;
}

/** Refusals after which GET may still be allowed: signatures hold for one method, and some servers know no HEAD. */
const NO_HEAD = new Set([400, 403, 405, 501]);

/**
 * Asks what a file is: by HEAD, and by its first byte where that is refused or says too little.
 *
 * @throws SourceError
 */
export async function describeFile(transport: Transport, url: string, signal: AbortSignal): Promise<RemoteFacts> {
  const attempts = new Attempts(transport.settings, signal);
  return attempts.until(async () => {
    const place = await transport.gate.enter(signal);
    try {
      return (await byHead(transport, url, signal)) ?? (await byFirstByte(transport, url, signal));
    } finally {
      place.leave();
    }
  });
}

async function byHead(transport: Transport, url: string, signal: AbortSignal): Promise<RemoteFacts | undefined> {
  const answer = await transport.send(url, { method: 'HEAD' }, signal);
  await transport.drain(answer.body);
  if (NO_HEAD.has(answer.status)) return undefined;
  if (answer.status !== 200) throw statusFailure(answer.path, answer.status, answer.headers);
  const size = bytesHeader(answer.headers, 'content-length') ?? bytesHeader(answer.first, 'x-linked-size');
  const ranges = header(answer.headers, 'accept-ranges')?.trim().toLowerCase();
  // Some servers take the length of the answer to HEAD for that of the file.
  if (size === undefined || size === 0) return undefined;
  return factsOf(transport, url, answer, size, ranges === undefined ? undefined : ranges === 'bytes');
}

async function byFirstByte(transport: Transport, url: string, signal: AbortSignal): Promise<RemoteFacts> {
  const answer = await transport.send(url, { method: 'GET', protocol: { range: 'bytes=0-0' } }, signal);
  const { status, headers, path } = answer;
  if (status === 200) answer.body.destroy();
  else await transport.drain(answer.body);
  if (status === 206) {
    const size = contentRange(answer)?.total;
    if (size !== undefined) return factsOf(transport, url, answer, size, true);
  } else if (status === 200) {
    const size = bytesHeader(headers, 'content-length');
    if (size !== undefined) return factsOf(transport, url, answer, size, false);
  } else if (status === 416 && unsatisfied(answer) === 0) {
    return factsOf(transport, url, answer, 0, true);
  } else {
    throw statusFailure(path, status, headers);
  }
  throw new AttemptFailure('NO_SIZE', path, 'the server does not say how long the file is', {
    hint: 'What has no known length can be neither resumed nor checked: fetch it by other means and read it from disk.',
  });
}

function factsOf(
  transport: Transport,
  asked: string,
  answer: Answer,
  size: number,
  ranges: boolean | undefined,
): RemoteFacts {
  const linkedSize = bytesHeader(answer.first, 'x-linked-size') ?? size;
  if (linkedSize !== size)
    throw inputChanged(answer.path, `${linkedSize} bytes by the Hub, ${size} where it is stored`);
  const etag = strongTag(answer.headers);
  const linked = strongTag(answer.first, 'x-linked-etag');
  const sha256 = /^"?([0-9a-f]{64})"?$/.exec(linked ?? '')?.[1];
  const target = { url: answer.url.href, etag: header(answer.headers, 'etag'), content: linked ?? etag };
  transport.targets.set(asked, target);
  return {
    url: asked,
    finalUrl: answer.url.href,
    size,
    etag: linked ?? etag,
    lastModified: header(answer.headers, 'last-modified'),
    ranges,
    sha256,
    commit: header(answer.first, 'x-repo-commit'),
  };
}
