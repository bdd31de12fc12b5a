import { SourceError } from '../../errors.ts';
import { AttemptFailure } from './attemptFailure.ts';
import type { RemoteIdentity } from './facts.ts';
import { bytesHeader, header, strongTag } from './headers.ts';
import type { Target } from './redirects.ts';
import type { Answer } from './transport.ts';

/** The error of a file that is not the one it was. */
export function inputChanged(path: string, what: string): SourceError {
  return new SourceError(`'${path}' has changed since it was first looked at: ${what}`, {
    code: 'INPUT_CHANGED',
    path,
    hint: 'Plan again with --fresh: output from both versions must not be mixed.',
  });
}

export interface ContentRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** Absent where the server does not know. */
  readonly total: number | undefined;
}

/** `Content-Range: bytes 0-9/100`; undefined where it is missing or makes no sense. */
export function contentRange(answer: Pick<Answer, 'headers'>): ContentRange | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/i.exec(header(answer.headers, 'content-range')?.trim() ?? '');
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]) + 1;
  const total = match[3] === '*' ? undefined : Number(match[3]);
  const sensible =
    Number.isSafeInteger(end) && start < end && (total === undefined || (end <= total && Number.isSafeInteger(total)));
  return sensible ? { start, end, total } : undefined;
}

/** The size that an answer 416 names: `Content-Range: bytes *` + `/100`. */
export function unsatisfied(answer: Pick<Answer, 'headers'>): number | undefined {
  const total = /^bytes \*\/(\d+)$/i.exec(header(answer.headers, 'content-range')?.trim() ?? '')?.[1];
  return total === undefined ? undefined : Number(total);
}

/**
 * Compares an answer with the file that it must be of: its size, and the strongest validator that is known of it.
 *
 * Where the first answer on the way names the content itself (`x-linked-etag`), that decides, for stores behind the Hub
 * have validators of their own; these must stay the same as long as the same store is asked. Where there is no strong
 * validator, the time of the last change must be the same.
 *
 * @param total Size that the answer names.
 * @param known Where bytes were read before, if they were asked for there.
 * @throws SourceError `INPUT_CHANGED`; AttemptFailure `BAD_ANSWER` where an answer does not say which version it is.
 */
export function checkIdentity(
  file: RemoteIdentity,
  answer: Answer,
  total: number | undefined,
  known: Target | undefined,
): void {
  const { path } = answer;
  if (total !== undefined && total !== file.size) throw inputChanged(path, `${file.size} bytes then, ${total} now`);
  const linkedSize = bytesHeader(answer.first, 'x-linked-size') ?? file.size;
  if (linkedSize !== file.size) throw inputChanged(path, `${file.size} bytes then, ${linkedSize} now`);
  const linked = strongTag(answer.first, 'x-linked-etag');
  if (linked !== undefined && file.etag !== undefined) {
    if (linked !== file.etag) throw inputChanged(path, `it was ${file.etag}, it is ${linked}`);
    return;
  }
  const before = opaque(known !== undefined && known.url !== file.url ? known.etag : file.etag);
  if (before !== undefined) {
    const now = opaque(header(answer.headers, 'etag'));
    if (now === before) return;
    if (now !== undefined) throw inputChanged(path, `it was ${before}, it is ${now}`);
    throw new AttemptFailure(
      'BAD_ANSWER',
      path,
      'the server does not say any more which version of the file it sends',
      {
        hint: 'Fetch the file by other means and read it from disk.',
        retries: Number.POSITIVE_INFINITY,
      },
    );
  }
  const modified = header(answer.headers, 'last-modified');
  if (file.lastModified !== undefined && modified !== undefined && !isSameTime(modified, file.lastModified)) {
    throw inputChanged(path, `it was last written on ${file.lastModified}, now on ${modified}`);
  }
}

/** Whether two dates are the same, however they are written: plans keep milliseconds. */
function isSameTime(one: string, other: string): boolean {
  return one === other || Date.parse(one) === Date.parse(other);
}

/** The value of a validator: a proxy on the way may have weakened it, which leaves that as it is. */
function opaque(etag: string | undefined): string | undefined {
  const value = etag?.trim().replace(/^W\//, '');
  return value === '' ? undefined : value;
}
