import { PipelineError } from '../errors.ts';
import { DOCUMENTS_FORMAT, PATCHES_JSONL_FORMAT } from '../formats/names.ts';
import { requireOptions } from '../knownOptions.ts';
import { PATCH_FIELDS } from '../quantization/fieldTensors.ts';
import type { Document, Patches } from '../records.ts';
import { didYouMean } from '../suggest.ts';
import type { Artefact } from './artefact.ts';
import { COALESCE_BYTES } from './chunkList.ts';
import { eitherWriter } from './eitherWriter.ts';
import { gatherFiles } from './gatherFiles.ts';
import { LineFiles } from './jsonl/lineFiles.ts';
import { documentLine, type EmbeddingForm, embeddingForms, patchLine } from './jsonl/lines.ts';
import { byDocument } from './patchDocument.ts';
import { openQuantized, quantizedInfo } from './quantizedColumns.ts';
import { checkedCutBytes } from './shardCut.ts';
import { checkedFolder, checkedName } from './shardName.ts';
import type { Sink, SinkContext, SinkWriter } from './sink.ts';

export interface JsonlOptions {
  /** Bytes after which a file ends and the next begins; a line is never divided. Default 64 MiB. */
  readonly fileBytes?: number | undefined;
  /**
   * Name of one file in the output folder for the documents of all splits, such as `kept.jsonl`. It is put together when
   * the last split is done, and takes as much room once more until the run ends; then it takes the place of the others.
   */
  readonly into?: string | undefined;
  /** Of patches: embeddings as a list of numbers for each patch, as `base64` of little-endian f32 [P, D], or `none` (default). */
  readonly embeddings?: EmbeddingForm | undefined;
  /**
   * Of patches: most that a line may be of, counted as `shardBytes` of `safetensors` is, without embeddings where they are not
   * written. A document that is larger goes on in further lines. Default 16 MiB.
   */
  readonly documentBytes?: number | undefined;
}

/** The bytes of a line by what its document counts for: a number of 4 bytes takes up to 20 as text. */
const LINE_GROWTH = { none: 4, base64: 4, list: 6 } as const;

/**
 * Writes documents as JSON lines, `<dir>/<split>-<n>.jsonl`, losslessly: `id`, `record` where the document is a view of one,
 * `uri`, `position`, `modality` where the source knows it, `meta`, and the bytes as `text` where they are valid UTF-8, else as
 * `base64`. The line end is `\n`; keys of meta are sorted.
 *
 * Patches become one line a document, with `part`, `complete`, `num_patches`, `total_bytes`, `embed_dim`, `derived` where its
 * bytes are not the source's own, and the lists `patch_lengths`, `prominence`, `patch_entropies` and `coherence`. Numbers are
 * written so that they give the same f32 again. What `quantize` has quantized has a member for each of its parts instead, such as
 * `embeddings_codes` (where embeddings are written at all), in base64, and `quantization` tells how to read them.
 *
 * @param dir folder within the output folder. Default `documents`
 * @throws PipelineError `BAD_FOLDER`, `BAD_FILE_BYTES`, `BAD_NAME`, `BAD_EMBEDDINGS`, `BAD_DOCUMENT_BYTES`; the flow fails with
 * `QUANTIZER_FILE` as that of `safetensors`, `MIXED_VALUES` or `WRONG_VALUES` where values are not all documents or all patches
 */
export function jsonl(dir = 'documents', options: JsonlOptions = {}): Sink<Document | Patches> {
  requireOptions('jsonl', options, { fileBytes: true, into: true, embeddings: true, documentBytes: true });
  const folder = checkedFolder(dir);
  const { fileBytes = 64 << 20, embeddings = 'none', into } = options;
  const documentBytes = checkedCutBytes('documentBytes', 'BAD_DOCUMENT_BYTES', options.documentBytes ?? 16 << 20);
  if (!Number.isSafeInteger(fileBytes) || fileBytes < 1) {
    throw new PipelineError(`fileBytes is ${fileBytes}`, {
      code: 'BAD_FILE_BYTES',
      hint: 'give a whole number of bytes, at least 1',
    });
  }
  if (!embeddingForms.includes(embeddings)) {
    throw new PipelineError(`embeddings cannot be written as '${embeddings}'`, {
      code: 'BAD_EMBEDDINGS',
      hint: didYouMean(embeddings, embeddingForms),
    });
  }
  const files = { dir: folder, fileBytes, temporary: into !== undefined };
  const sink: Sink<Document | Patches> = {
    kind: 'jsonl',
    options: {
      dir: folder,
      fileBytes,
      embeddings,
      documentBytes,
      ...(into === undefined ? {} : { into: checkedName(into) }),
    },
    holds: COALESCE_BYTES + (1 + LINE_GROWTH[embeddings]) * documentBytes,
    open: async (context) =>
      eitherWriter('jsonl', {
        documents: () => documentWriter(context, files),
        patches: (first) => patchWriter(context, files, embeddings, documentBytes, first),
      }),
  };
  if (into === undefined) return sink;
  const formats = [DOCUMENTS_FORMAT, PATCHES_JSONL_FORMAT];
  return { ...sink, after: [gatherFiles({ dir: folder, formats, into, info: infoOfAll })] };
}

/** What is said of all files together: their format, and sums of what they count. */
function infoOfAll(parts: readonly Artefact['info'][]): Artefact['info'] {
  const counts: Record<string, number> = parts.length === 0 ? { documents: 0 } : {};
  for (const { split: _, ...info } of parts) {
    for (const [key, value] of Object.entries(info)) {
      if (typeof value === 'number') counts[key] = (counts[key] ?? 0) + value;
    }
  }
  const { format = DOCUMENTS_FORMAT, quantized } = parts[0] ?? {};
  return { format, ...(quantized !== undefined && { quantized }), ...counts };
}

interface Files {
  readonly dir: string;
  readonly fileBytes: number;
  readonly temporary: boolean;
}

function documentWriter(context: SinkContext, files: Files): SinkWriter<Document> {
  const lines = new LineFiles(context, { ...files, format: DOCUMENTS_FORMAT }, { documents: 0, bytes: 0 });
  return {
    write: (document) => lines.add(documentLine(document), { documents: 1, bytes: document.bytes.length }),
    finish: () => lines.finish(),
  };
}

function patchWriter(
  context: SinkContext,
  files: Files,
  embeddings: EmbeddingForm,
  documentBytes: number,
  first: Patches,
): SinkWriter<Patches> {
  const none = { lines: 0, documents: 0, patches: 0, bytes: 0 };
  const taken = (value: Patches): Patches => (embeddings === 'none' ? withoutEmbeddings(value) : value);
  const info = quantizedInfo(openQuantized(taken(first), PATCH_FIELDS, { sink: 'jsonl', learned: 'reference' }));
  const lines = new LineFiles(context, { ...files, format: PATCHES_JSONL_FORMAT, info }, none);
  const documents = byDocument('jsonl', documentBytes, async (document) => {
    const { patches, bytes, part } = document;
    await lines.add(patchLine(document, embeddings), { lines: 1, documents: part === 0 ? 1 : 0, patches, bytes });
  });
  return {
    write: (value) => documents.write(taken(value)),
    async finish() {
      await documents.finish();
      const { lines: _, ...counts } = await lines.finish();
      return counts;
    },
  };
}

const NO_EMBEDDINGS = new Float32Array(0);

function withoutEmbeddings(value: Patches): Patches {
  const quantized = value.quantized?.filter(({ field }) => field !== 'embeddings');
  return { ...value, embeddings: NO_EMBEDDINGS, dim: 0, quantized };
}
