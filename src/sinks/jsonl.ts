import { PipelineError } from '../errors.ts';
import { DOCUMENTS_FORMAT } from '../formats/names.ts';
import type { Document } from '../records.ts';
import type { Artefact, ArtefactFile } from './artefact.ts';
import { gatherFiles } from './gatherFiles.ts';
import { metaJson } from './metaJson.ts';
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
}

/** Lines are gathered up to this many bytes before they are written. */
const WRITE_BYTES = 256 << 10;

/**
 * Writes documents as JSON lines, `<dir>/<split>-<n>.jsonl`, losslessly: `id`, `uri`, `position`, `modality` where the
 * source knows it, `meta`, and the bytes as `text` where they are valid UTF-8, else as `base64`.
 * The line end is `\n`; keys of meta are sorted.
 *
 * @param dir folder within the output folder. Default `documents`
 * @throws PipelineError `BAD_FOLDER`, `BAD_FILE_BYTES`
 */
export function jsonl(dir = 'documents', options: JsonlOptions = {}): Sink<Document> {
  const folder = checkedFolder(dir);
  const fileBytes = options.fileBytes ?? 64 << 20;
  if (!Number.isSafeInteger(fileBytes) || fileBytes < 1) {
    throw new PipelineError(`fileBytes is ${fileBytes}`, {
      code: 'BAD_FILE_BYTES',
      hint: 'give a whole number of bytes, at least 1',
    });
  }
  const { into } = options;
  if (into === undefined) {
    return {
      kind: 'jsonl',
      options: { dir: folder, fileBytes },
      holds: WRITE_BYTES,
      open: async (context) => new JsonlWriter(context, { folder, fileBytes, temporary: false }),
    };
  }
  return {
    kind: 'jsonl',
    options: { dir: folder, fileBytes, into: checkedName(into) },
    holds: WRITE_BYTES,
    open: async (context) => new JsonlWriter(context, { folder, fileBytes, temporary: true }),
    after: [gatherFiles({ dir: folder, format: DOCUMENTS_FORMAT, into, info: infoOfAll })],
  };
}

function infoOfAll(parts: readonly Artefact['info'][]): Artefact['info'] {
  const documents = parts.reduce((sum, { documents: count }) => sum + (typeof count === 'number' ? count : 0), 0);
  return { format: DOCUMENTS_FORMAT, documents };
}

interface JsonlFiles {
  readonly folder: string;
  readonly fileBytes: number;
  readonly temporary: boolean;
}

class JsonlWriter implements SinkWriter<Document> {
  readonly #context: SinkContext;
  readonly #files: JsonlFiles;
  #file: ArtefactFile | undefined;
  #count = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #inFile = { documents: 0, bytes: 0 };
  readonly #counts = { documents: 0, bytes: 0 };

  constructor(context: SinkContext, files: JsonlFiles) {
    this.#context = context;
    this.#files = files;
  }

  async write(document: Document): Promise<void> {
    const line = Buffer.from(`${lineOf(document)}\n`);
    if (this.#inFile.bytes > 0 && this.#inFile.bytes + line.length > this.#files.fileBytes) await this.#close();
    this.#pending.push(line);
    this.#pendingBytes += line.length;
    this.#inFile.bytes += line.length;
    this.#inFile.documents++;
    this.#counts.documents++;
    this.#counts.bytes += document.bytes.length;
    if (this.#pendingBytes >= WRITE_BYTES) await this.#flush();
  }

  async finish(): Promise<Record<string, number>> {
    await this.#close();
    return this.#counts;
  }

  async #flush(): Promise<void> {
    if (this.#pendingBytes === 0) return;
    const number = String(this.#count).padStart(6, '0');
    this.#file ??= await this.#context.file(`${this.#files.folder}/${this.#context.split.id}-${number}.jsonl`);
    await this.#file.write(Buffer.concat(this.#pending, this.#pendingBytes));
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  async #close(): Promise<void> {
    await this.#flush();
    const { documents } = this.#inFile;
    const lasting = this.#files.temporary ? { temporary: true } : {};
    await this.#file?.publish({ format: DOCUMENTS_FORMAT, split: this.#context.split.id, documents, ...lasting });
    if (this.#file !== undefined) this.#count++;
    this.#file = undefined;
    this.#inFile = { documents: 0, bytes: 0 };
  }
}

function lineOf({ id, source, modality, meta, bytes }: Document): string {
  const head = JSON.stringify({ id, uri: source.uri, position: source.position, modality });
  return `${head.slice(0, -1)},"meta":${metaJson(meta)},${contentOf(bytes)}}`;
}

function contentOf(bytes: Uint8Array): string {
  try {
    return `"text":${JSON.stringify(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))}`;
  } catch {
    return `"base64":"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}"`;
  }
}
