import { littleEndianBytes } from '../../../formats/littleEndian.ts';
import { BLOCK_ENTRIES } from '../../../lsh/corpus/keyBlock.ts';
import { type CorpusSettings, ROW_BYTES, writeRow } from '../../../lsh/corpus/parts.ts';
import type { SignDocumentsTask, SignedDocuments } from '../../../lsh/corpus/signWorker.ts';
import { packDocuments } from '../../../lsh/documentBatch.ts';
import type { Document, Segment } from '../../../records.ts';
import { commitName } from '../../../run/jobStage.ts';
import { sharedPool, workerModule } from '../../../run/pool.ts';
import type { ArtefactFile } from '../../../sinks/artefact.ts';
import type { Sink, SinkContext, SinkWriter } from '../../../sinks/sink.ts';
import { bytesOf, type Unit, UnitGatherer } from '../../units.ts';

/** Documents that cross a thread boundary at once. */
const BATCH = { documents: 1024, bytes: 4 << 20 };

const signModule = workerModule(import.meta.url, '../../../lsh/corpus/signWorker');
const sortModule = workerModule(import.meta.url, '../../../lsh/corpus/sortWorker');

export interface SignSinkOptions {
  readonly settings: CorpusSettings;
  /** Name of the pass that it ends. */
  readonly pass: string;
  /** Files are of no use behind the run. */
  readonly temporary: boolean;
}

type Value = Document | Segment;

/**
 * Writes what a corpus keeps of its documents, for one split: `.documents` (rows), `.ids`, `.signatures`, `.keys` (blocks in
 * the order of the keys) and, where they will be compared exactly, `.texts`.
 */
export function signSink(options: SignSinkOptions): Sink<Value> {
  return {
    kind: 'sign',
    options: null,
    // two batches with what comes of them, and a block of keys that is sorted while the next one fills
    holds: 4 * BATCH.bytes + 3 * 12 * BLOCK_ENTRIES,
    open: async (context) => new SignWriter(context, options),
  };
}

class SignWriter implements SinkWriter<Value> {
  readonly #context: SinkContext;
  readonly #options: SignSinkOptions;
  readonly #gatherer = new UnitGatherer<Value>();
  readonly #files = new Map<string, ArtefactFile>();
  readonly #blocks: number[] = [];
  #batch: Unit<Value>[] = [];
  #batchBytes = 0;
  #inHand: Promise<void> = Promise.resolve();
  #entries = new Uint32Array(0);
  #entryCount = 0;
  /** Hashes of the documents that the open block of keys knows. */
  #seen = new Set<string>();
  #documents = 0;
  #short = 0;
  #idEnd = 0;
  #textEnd = 0;

  constructor(context: SinkContext, options: SignSinkOptions) {
    this.#context = context;
    this.#options = options;
  }

  async write(value: Value): Promise<void> {
    for (const unit of this.#gatherer.add(value)) await this.#add(unit);
  }

  async #add(unit: Unit<Value>): Promise<void> {
    // ids may be as long as documents
    const bytes = unit.bytes + unit.id.length;
    const isFull = this.#batch.length === BATCH.documents || this.#batchBytes + bytes > BATCH.bytes;
    if (isFull && this.#batch.length > 0) await this.#send();
    this.#batch.push(unit);
    this.#batchBytes += bytes;
  }

  async finish(): Promise<Record<string, number>> {
    for (const unit of this.#gatherer.flush()) await this.#add(unit);
    if (this.#batch.length > 0) await this.#send();
    await this.#inHand;
    if (this.#entryCount > 0) await this.#writeBlock();
    const { temporary } = this.#options;
    for (const [extension, file] of this.#files) {
      const keys = extension === 'keys' ? { blocks: this.#blocks } : {};
      await file.publish({
        format: `sluice_corpus_${extension}_v1`,
        documents: this.#documents,
        ...keys,
        ...(temporary ? { temporary } : {}),
      });
    }
    return { indexed: this.#documents, short: this.#short };
  }

  async abort(): Promise<void> {
    await this.#inHand.catch(() => {});
  }

  /** One batch is signed while the next one fills. */
  async #send(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    await this.#inHand;
    this.#inHand = this.#sign(batch);
    // who waits for it next hears of its failure
    this.#inHand.catch(() => {});
  }

  async #sign(batch: readonly Unit<Value>[]): Promise<void> {
    const { settings } = this.#options;
    const texts = batch.map(bytesOf);
    const { bytes, offsets } = packDocuments(texts);
    const task: SignDocumentsTask = { bytes, offsets, settings };
    const signed = await sharedPool().run<SignedDocuments>(signModule, task, [bytes.buffer, offsets.buffer]);
    await this.#keep(batch, texts, signed);
  }

  async #keep(batch: readonly Unit<Value>[], texts: readonly Uint8Array[], signed: SignedDocuments): Promise<void> {
    const rows = new DataView(new ArrayBuffer(ROW_BYTES * batch.length));
    const ids: Buffer[] = [];
    for (const [i, unit] of batch.entries()) {
      const id = Buffer.from(unit.id);
      ids.push(id);
      this.#idEnd += id.length;
      this.#textEnd += unit.bytes;
      const hash = signed.hashes.subarray(16 * i, 16 * (i + 1));
      const isSigned = signed.signed[i] === 1;
      writeRow(rows, ROW_BYTES * i, { hash, idEnd: this.#idEnd, textEnd: this.#textEnd, signed: isSigned });
      if (isSigned) await this.#addKeys(this.#documents + i, hash, keysOf(signed, i));
      else this.#short++;
    }
    this.#documents += batch.length;
    await this.#append('documents', new Uint8Array(rows.buffer));
    await this.#append('ids', Buffer.concat(ids));
    if (this.#options.settings.near) await this.#append('signatures', littleEndianBytes(signed.signatures));
    if (this.#options.settings.verify === 'jaccard') for (const text of texts) await this.#append('texts', text);
  }

  /** The keys of a document's bands, and one of its bytes; an equal document that the block knows has its bands already. */
  async #addKeys(document: number, hash: Uint8Array, keys: Uint32Array): Promise<void> {
    const most = 3 * (1 + keys.length / 2);
    if (this.#entries.length === 0) this.#entries = new Uint32Array(3 * BLOCK_ENTRIES);
    if (3 * this.#entryCount + most > this.#entries.length) {
      await this.#writeBlock();
      this.#entries = new Uint32Array(3 * BLOCK_ENTRIES);
    }
    const words = new DataView(hash.buffer, hash.byteOffset);
    this.#addEntry(words.getUint32(0), words.getUint32(4), document);
    const name = Buffer.from(hash.buffer, hash.byteOffset, hash.length).toString('latin1');
    if (this.#seen.has(name)) return;
    this.#seen.add(name);
    for (let i = 0; i < keys.length; i += 2) this.#addEntry(keys[i + 1] ?? 0, keys[i] ?? 0, document);
  }

  #addEntry(high: number, low: number, document: number): void {
    this.#entries.set([high, low, document], 3 * this.#entryCount++);
  }

  async #writeBlock(): Promise<void> {
    const entries = this.#entries.subarray(0, 3 * this.#entryCount);
    this.#entries = new Uint32Array(0);
    this.#blocks.push(this.#entryCount);
    this.#entryCount = 0;
    this.#seen = new Set();
    const sorted = await sharedPool().run<Uint32Array>(sortModule, entries, [entries.buffer]);
    await this.#append('keys', littleEndianBytes(sorted));
  }

  async #append(extension: string, bytes: Uint8Array): Promise<void> {
    const known = this.#files.get(extension);
    const name = commitName(this.#options.pass, this.#context.split.id);
    const file = known ?? (await this.#context.file(`${name}.${extension}`));
    this.#files.set(extension, file);
    await file.write(bytes);
  }
}

function keysOf({ keys, documents }: SignedDocuments, document: number): Uint32Array {
  const words = keys.length / documents;
  return keys.subarray(document * words, (document + 1) * words);
}
