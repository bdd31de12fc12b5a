import { PipelineError } from '../errors.ts';
import type { Document, Patches } from '../records.ts';
import { requireValues } from '../run/valueKinds.ts';
import { isPatches } from '../run/writeStage.ts';
import type { SinkWriter } from './sink.ts';

/** How a sink writes each kind of value; one of the two is opened for a split. */
export interface EitherWriters {
  documents(): SinkWriter<Document>;
  /** @param first the first value, which `write` gets next */
  patches(first: Patches): SinkWriter<Patches>;
}

/**
 * A writer of documents or of patches: the first value decides which.
 * @throws PipelineError from `write`: `WRONG_VALUES` for any other value, `MIXED_VALUES` for one of the other kind
 */
export function eitherWriter(kind: string, writers: EitherWriters): SinkWriter<Document | Patches> {
  let documents: SinkWriter<Document> | undefined;
  let patches: SinkWriter<Patches> | undefined;
  return {
    write(value) {
      requireValues(kind, ['documents', 'patches'], value);
      if (isPatches(value)) {
        if (documents !== undefined) throw mixed(kind);
        patches ??= writers.patches(value);
        return patches.write(value);
      }
      if (patches !== undefined) throw mixed(kind);
      documents ??= writers.documents();
      return documents.write(value);
    },
    finish: async () => (patches ?? documents)?.finish() ?? { documents: 0, bytes: 0 },
    abort: () => (patches ?? documents)?.abort?.(),
  };
}

function mixed(kind: string): PipelineError {
  return new PipelineError(`documents and patches come to the same ${kind} sink`, {
    code: 'MIXED_VALUES',
    hint: 'give every flow a sink of its own',
  });
}
