import { SourceError } from '../errors.ts';
import { requireOptions } from '../knownOptions.ts';
import type { Document } from '../records.ts';
import { Failure } from './failure.ts';
import { gated, type Reading } from './file-source.ts';
import { checkedLimit } from './folder.ts';
import { LineSplitter } from './lines.ts';
import { copy, MAX_DOCUMENT_BYTES, type Part, PartCutter } from './parts.ts';
import type { FileMeta } from './plain.ts';
import type { Source, Split } from './source.ts';

export interface StdinOptions {
  /** One document for all of it (cut into parts where it is too large), or one for each line that is not blank. Default: `document`. */
  readonly by?: 'document' | 'line' | undefined;
  /** Bytes of a document at most; a longer line is rejected. Default: 16 MiB. */
  readonly maxDocumentBytes?: number | undefined;
  /** Another stream to read in place of standard input. */
  readonly input?: AsyncIterable<Uint8Array | string> | undefined;
}

const URI = 'stdin';

/**
 * Standard input as one split. A stream passes once: the split can be read once, by the process that owns the stream,
 * and a run over it cannot be resumed. Save the stream to a file where that matters.
 *
 * `uri` is `stdin`; ids are `stdin`, `stdin#<part>` or `stdin#<byte of the line>`.
 *
 * @throws SourceError `STDIN_CONSUMED` when it is read a second time.
 */
export function stdin(options: StdinOptions = {}): Source<Document<FileMeta>> {
  requireOptions('stdin', options, { by: true, maxDocumentBytes: true, input: true });
  const maxDocumentBytes = checkedLimit('maxDocumentBytes', options.maxDocumentBytes ?? MAX_DOCUMENT_BYTES, 64);
  const by = options.by ?? 'document';
  let consumed = false;
  return {
    kind: 'stdin',
    once: true,
    options: { by, maxDocumentBytes },
    async *splits() {
      yield { bytes: 0, spec: { stdin: by } };
    },
    read(split: Split) {
      return gated('stdin', split, 3 * maxDocumentBytes, (reading) => {
        if (consumed) {
          throw new SourceError('standard input cannot be read twice', {
            code: 'STDIN_CONSUMED',
            hint: 'Save it to a file and read that: then the run can be resumed.',
          });
        }
        consumed = true;
        const input = options.input ?? process.stdin;
        return by === 'line' ? lines(input, maxDocumentBytes, reading) : whole(input, maxDocumentBytes, reading);
      });
    },
  };
}

const bytesOf = (chunk: Uint8Array | string): Uint8Array => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk);

async function* whole(
  input: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
  reading: Reading,
): AsyncGenerator<readonly Document<FileMeta>[]> {
  const cutter = new PartCutter(maxBytes);
  const document = ({ bytes, start, part }: Part): Document<FileMeta> => ({
    id: part === undefined ? URI : `${URI}#${part}`,
    source: {
      split: reading.split,
      uri: URI,
      position: { ordinal: reading.ordinal(), byte: start, ...(part === undefined ? {} : { part }) },
    },
    bytes,
    meta: {},
  });
  for await (const chunk of input) for (const part of cutter.push(bytesOf(chunk))) yield [document(part)];
  yield [document(cutter.flush())];
}

async function* lines(
  input: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
  reading: Reading,
): AsyncGenerator<readonly Document<FileMeta>[]> {
  const splitter = new LineSplitter(maxBytes);
  let line = 0;
  const take = (found: Iterable<{ bytes: Uint8Array; byte: number; tooLong?: number }>): Document<FileMeta>[] => {
    const documents: Document<FileMeta>[] = [];
    for (const { bytes, byte, tooLong } of found) {
      line++;
      if (tooLong === undefined && bytes.every((value) => value === 0x20 || value === 0x09)) continue;
      const position = { ordinal: reading.ordinal(), byte, line };
      if (tooLong !== undefined) {
        const failure = new Failure(
          'TOO_LONG',
          `the line has ${tooLong} bytes, more than ${maxBytes}`,
          'Set maxDocumentBytes higher to read it.',
        );
        reading.reject(failure.at(URI, position));
        continue;
      }
      // A copy: a view would keep the whole chunk alive for one line.
      documents.push({
        id: `${URI}#${byte}`,
        source: { split: reading.split, uri: URI, position },
        bytes: copy(bytes),
        meta: {},
      });
    }
    return documents;
  };
  for await (const chunk of input) yield take(splitter.push(bytesOf(chunk)));
  yield take(splitter.flush());
}
