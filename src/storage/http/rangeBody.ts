import { SourceError } from '../../errors.ts';
import { checkIdentity, contentRange, inputChanged, unsatisfied } from './answerChecks.ts';
import { AttemptFailure, statusFailure, transportFailure } from './attemptFailure.ts';
import { Attempts } from './attempts.ts';
import type { RemoteIdentity } from './facts.ts';
import { bytesHeader, header, strongTag } from './headers.ts';
import type { Target } from './redirects.ts';
import type { Answer, Transport } from './transport.ts';
import { shownUrl } from './urls.ts';
import { chunksOf } from './watchdog.ts';

/** Bytes before those that are wanted which may be read and thrown away, where a server ignores ranges. */
const MOST_SKIPPED = 1 << 20;

/** How the body of an answer lies in the file. */
interface Body {
  /** Offset of its first byte. */
  readonly start: number;
  /** Where it ends, exclusive. */
  readonly end: number;
  /** Whether the transport itself sees that it ends there. */
  readonly counted: boolean;
}

/**
 * Streams the bytes `[start, end)` of a file, exactly and in order, whatever becomes of the connections: what a broken,
 * short or stalled body leaves out is asked for anew. Chunks are views of buffers that they may share.
 *
 * @throws SourceError
 */
export async function* rangeBody(
  transport: Transport,
  file: RemoteIdentity,
  start: number,
  end: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  checkRange(file, start, end);
  const { gate, targets, settings } = transport;
  const attempts = new Attempts(settings, signal, end - start);
  // The whole file has no other remedy than to be read from its beginning.
  const mostSkipped = start === 0 && end === file.size ? Number.POSITIVE_INFINITY : MOST_SKIPPED;
  let at = start;
  let anew = false;
  while (at < end) {
    const place = await gate.enter(signal);
    const known: Target | undefined = anew ? undefined : targets.get(file.url, file.etag);
    let answer: Answer | undefined;
    let failure: unknown;
    try {
      answer = await ask(transport, file, at, end, known, signal);
      const body = checkAnswer(file, answer, { at, end, known, mostSkipped });
      anew = false;
      targets.set(file.url, targetOf(file, answer, known));
      const from = at;
      let offset = body.start;
      for await (const chunk of chunksOf(answer, settings.stallMs)) {
        settings.onTransfer(chunk.length);
        const piece = chunk.subarray(at - offset, end - offset);
        offset += chunk.length;
        if (piece.length > 0) {
          at += piece.length;
          attempts.progress(piece.length);
          place.rest();
          yield piece;
          const lent = place.resume(signal);
          if (lent !== undefined) await lent;
        }
        if (at >= end && !body.counted) break;
      }
      if (at >= end) return;
      // Servers may hand out less than they were asked for, as long as that leads somewhere.
      if (at === body.end && at - from >= attempts.enough) continue;
      failure = new AttemptFailure('NETWORK', answer.path, `the body ended at byte ${at} of ${end}`, {
        hint: 'Run again; what is finished is kept.',
        retries: Number.POSITIVE_INFINITY,
      });
    } catch (error) {
      failure = transportFailure(answer?.path ?? shownUrl(file.url), error);
      // Signatures expire, and files move to other stores: the address itself knows better than what is remembered.
      anew = known !== undefined && known.url !== file.url && isFinal(failure);
    } finally {
      // The body of a refusal is short and leaves its connection to the next request.
      if (answer !== undefined && answer.status >= 400) await transport.drain(answer.body);
      answer?.body.destroy();
      place.leave();
    }
    targets.forget(file.url);
    if (!anew) await attempts.again(failure);
  }
}

function isFinal(failure: unknown): boolean {
  return failure instanceof AttemptFailure ? failure.retries === 0 : failure instanceof SourceError;
}

/** @throws SourceError `BAD_RANGE` where a file does not have these bytes. */
export function checkRange(file: RemoteIdentity, start: number, end: number): void {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end <= file.size)
    return;
  const path = shownUrl(file.url);
  throw new SourceError(`'${path}' has ${file.size} bytes, and none from ${start} to ${end}`, {
    code: 'BAD_RANGE',
    path,
  });
}

function ask(
  transport: Transport,
  file: RemoteIdentity,
  start: number,
  end: number,
  known: Target | undefined,
  signal: AbortSignal,
): Promise<Answer> {
  // Only that of the very store: a Hub's own validator means nothing to it, and it would send the whole file.
  const condition = known?.etag === undefined || known.etag.startsWith('W/') ? {} : { 'if-range': known.etag };
  const protocol = { range: `bytes=${start}-${end - 1}`, ...condition };
  return transport.send(known?.url ?? file.url, { method: 'GET', protocol }, signal);
}

interface Wanted {
  readonly at: number;
  readonly end: number;
  readonly known: Target | undefined;
  readonly mostSkipped: number;
}

/** Checks an answer's status and headers, and tells what its body is. */
function checkAnswer(file: RemoteIdentity, answer: Answer, wanted: Wanted): Body {
  const { status, headers, path } = answer;
  const { at, end, known } = wanted;
  const length = bytesHeader(headers, 'content-length');
  if (status === 206) {
    const range = contentRange(answer);
    checkIdentity(file, answer, range?.total, known);
    if (range?.start !== at) {
      throw new AttemptFailure('BAD_ANSWER', path, `the server sends other bytes than those from ${at} on`, {
        hint: 'Fetch the file by other means and read it from disk.',
        retries: Number.POSITIVE_INFINITY,
      });
    }
    return { start: at, end: range.end, counted: length === range.end - at && range.end <= end };
  }
  if (status === 200) {
    checkIdentity(file, answer, length, known);
    if (at > wanted.mostSkipped) {
      throw new AttemptFailure('NO_RANGES', path, 'the server sends the whole file in place of a part', {
        hint: 'Fetch it whole first: remote: { cache: true }.',
        // A store that has only just got the file may know better the next time.
        retries: file.ranges === false ? 0 : 1,
      });
    }
    return { start: 0, end: file.size, counted: length === file.size && end === file.size };
  }
  if (status === 416) {
    const total = unsatisfied(answer);
    if (total !== undefined && total !== file.size) throw inputChanged(path, `${file.size} bytes then, ${total} now`);
    throw new AttemptFailure('BAD_ANSWER', path, `the server has no bytes from ${at} on (416)`, { retries: 1 });
  }
  const failure = statusFailure(path, status, headers);
  // A signature that is refused although it is new: its clock, or a stale copy of the redirect.
  throw answer.redirected && (status === 403 || status === 410) ? failure.withRetries(2) : failure;
}

/** What is to be remembered of a good answer. */
function targetOf(file: RemoteIdentity, answer: Answer, known: Target | undefined): Target {
  const named = strongTag(answer.first, 'x-linked-etag') ?? strongTag(answer.headers);
  return {
    url: answer.url.href,
    etag: header(answer.headers, 'etag'),
    content: known?.content ?? named ?? file.etag,
  };
}
