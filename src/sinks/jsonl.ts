import { PipelineError } from '../errors.ts';
import { DOCUMENTS_FORMAT } from '../formats/names.ts';
import type { Document } from '../records.ts';
import { metaJson } from './metaJson.ts';
import { checkedFolder } from './shardName.ts';
import type { ArtefactFile, Sink, SinkContext, SinkWriter } from './sink.ts';

export interface JsonlOptions {
  /** Bytes after which a file ends and the next begins; a line is never divided. Default 64 MiB. */
  readonly fileBytes?: number | undefined;
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
  return {
    kind: 'jsonl',
    options: { dir: folder, fileBytes },
    holds: WRITE_BYTES,
    open: async (context) => new JsonlWriter(context, folder, fileBytes),
  };
}

class JsonlWriter implements SinkWriter<Document> {
  readonly #context: SinkContext;
  readonly #dir: string;
  readonly #fileBytes: number;
  #file: ArtefactFile | undefined;
  #files = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #inFile = { documents: 0, bytes: 0 };
  readonly #counts = { documents: 0, bytes: 0 };

  constructor(context: SinkContext, dir: string, fileBytes: number) {
    this.#context = context;
    this.#dir = dir;
    this.#fileBytes = fileBytes;
  }

  async write(document: Document): Promise<void> {
    const line = Buffer.from(`${lineOf(document)}\n`);
    if (this.#inFile.bytes > 0 && this.#inFile.bytes + line.length > this.#fileBytes) await this.#close();
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
    const number = String(this.#files).padStart(6, '0');
    this.#file ??= await this.#context.file(`${this.#dir}/${this.#context.split.id}-${number}.jsonl`);
    await this.#file.write(Buffer.concat(this.#pending, this.#pendingBytes));
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  async #close(): Promise<void> {
    await this.#flush();
    const { documents } = this.#inFile;
    await this.#file?.publish({ format: DOCUMENTS_FORMAT, split: this.#context.split.id, documents });
    if (this.#file !== undefined) this.#files++;
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
