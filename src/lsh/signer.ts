import { type Banding, requireBanding } from './bands.ts';
import type { DocumentBatch } from './documentBatch.ts';
import { minhashWasm } from './minhashWasm.ts';
import { DEFAULT_SHINGLE, requireShingle, type Shingle } from './shingle.ts';
import { DEFAULT_COMPONENTS, requireComponents, type SignatureOptions } from './signature.ts';

export interface SignerOptions extends SignatureOptions {
  /** Keys of these bands come with the signatures. Default: none. */
  readonly banding?: Banding | undefined;
}

/** What became of a batch of documents. Plain data: it crosses thread boundaries. */
export interface SignedBatch {
  /** 32-bit numbers of one signature. */
  readonly components: number;
  /** Keys of one signature. */
  readonly bands: number;
  /** 1 for each document that has a signature, 0 for each that is shorter than a shingle. */
  readonly signed: Uint8Array<ArrayBuffer>;
  /** One after the other; zeros where there is none. */
  readonly signatures: Uint32Array<ArrayBuffer>;
  /** 64-bit keys, low word first, all bands of a document together; zeros where there is no signature. */
  readonly keys: Uint32Array<ArrayBuffer>;
}

/** The signature of one document, within the buffer of its batch; none for a document shorter than a shingle. */
export function signatureAt(batch: SignedBatch, document: number): Uint32Array<ArrayBuffer> | undefined {
  const { signed, signatures, components } = batch;
  return signed[document] === 1 ? signatures.subarray(document * components, (document + 1) * components) : undefined;
}

/** The band keys of one document, two 32-bit words for each; none for a document shorter than a shingle. */
export function keysAt(batch: SignedBatch, document: number): Uint32Array<ArrayBuffer> | undefined {
  const { signed, keys, bands } = batch;
  return signed[document] === 1 ? keys.subarray(2 * document * bands, 2 * (document + 1) * bands) : undefined;
}

/** Addresses in the memory of tools/wasm/minhash.as.ts, which has 4 MiB and keeps what lies below for itself. */
const TEXT = 0x6_0000;
const TEXT_BYTES = 1 << 18;
const OFFSETS = 0xa_1000;
const SIGNED = 0xa_3000;
const SIGNATURES = 0xa_4000;
const SIGNATURE_BYTES = 1 << 20;
const KEYS = 0x1a_4000;
const MOST_DOCUMENTS = 1024;
/** What `end` returns. */
const DONE = 1;
const AGAIN = 2;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  configure(ofWords: boolean, length: number, components: number, bands: number, rows: number): void;
  sign(text: number, offsets: number, documents: number, signatures: number, keys: number, signed: number): void;
  begin(): void;
  read(text: number, bytes: number): void;
  end(): number;
  write(signature: number, keys: number): void;
}

/** Compiled once in a thread, when the first signer is made. */
let compiled: WebAssembly.Module | undefined;

/**
 * Signs documents with SIMD instructions, bit for bit as {@link signatureOf} and {@link bandKeys} do. Takes 4 MiB,
 * whatever the documents: long ones pass through it in pieces of 256 KiB, those with few different shingles twice.
 *
 * Time grows with the bytes alone, but for documents made against it: one whose shingles all avoid a bin costs two
 * rounds for each component instead of one in all.
 *
 *     const signer = new Signer({ banding: { bands: 20, rows: 5 } });
 *     const signed = signer.sign(packDocuments(texts));
 *     signatureAt(signed, 0);
 *
 * @throws PipelineError `BAD_SHINGLE`, `BAD_COMPONENTS` or `BAD_BANDS`
 */
export class Signer {
  readonly #shingle: Shingle;
  readonly #components: number;
  readonly #bands: number;
  readonly #wasm: Exports;
  readonly #memory: Uint8Array;
  readonly #words: Uint32Array;

  constructor(options: SignerOptions = {}) {
    const { shingle = DEFAULT_SHINGLE, components = DEFAULT_COMPONENTS, banding } = options;
    requireShingle(shingle);
    requireComponents(components);
    if (banding !== undefined) requireBanding(banding, components);
    this.#shingle = shingle;
    this.#components = components;
    this.#bands = banding?.bands ?? 0;
    compiled ??= new WebAssembly.Module(Buffer.from(minhashWasm, 'base64'));
    // what the module exports is written in its source
    this.#wasm = new WebAssembly.Instance(compiled, {}).exports as unknown as Exports;
    this.#memory = new Uint8Array(this.#wasm.memory.buffer);
    this.#words = new Uint32Array(this.#wasm.memory.buffer);
    this.#wasm.configure(shingle.of === 'words', shingle.length, components, this.#bands, banding?.rows ?? 0);
  }

  /** Throws RangeError where the offsets do not lie in the buffer, in order. */
  sign(batch: DocumentBatch): SignedBatch {
    requireOrder(batch);
    const { bytes, offsets } = batch;
    const documents = offsets.length - 1;
    const signed: SignedBatch = {
      components: this.#components,
      bands: this.#bands,
      signed: new Uint8Array(documents),
      signatures: new Uint32Array(documents * this.#components),
      keys: new Uint32Array(2 * documents * this.#bands),
    };
    const most = Math.min(MOST_DOCUMENTS, Math.floor(SIGNATURE_BYTES / (4 * this.#components)));
    for (let first = 0; first < documents; ) {
      const start = offsets[first] ?? 0;
      let next = first;
      while (next < documents && next - first < most && (offsets[next + 1] ?? 0) - start <= TEXT_BYTES) next++;
      if (next > first) {
        this.#signWhole(bytes, offsets.subarray(first, next + 1));
      } else {
        next = first + 1;
        this.#signInPieces(bytes.subarray(start, offsets[next]));
      }
      this.#collect(signed, first, next - first);
      first = next;
    }
    return signed;
  }

  #signWhole(bytes: Uint8Array, offsets: Uint32Array): void {
    const documents = offsets.length - 1;
    const start = offsets[0] ?? 0;
    this.#memory.set(bytes.subarray(start, offsets[documents]), TEXT);
    for (let i = 0; i <= documents; i++) this.#words[OFFSETS / 4 + i] = (offsets[i] ?? 0) - start;
    this.#wasm.sign(TEXT, OFFSETS, documents, SIGNATURES, KEYS, SIGNED);
  }

  /** Only a document that is longer than the room for text, and so than any shingle of bytes. */
  #signInPieces(document: Uint8Array): void {
    this.#wasm.begin();
    const first = this.#readPieces(document);
    const state = first === AGAIN ? this.#readPieces(document) : first;
    this.#memory[SIGNED] = state;
    if (state === DONE) {
      this.#wasm.write(SIGNATURES, KEYS);
      return;
    }
    this.#memory.fill(0, SIGNATURES, SIGNATURES + 4 * this.#components);
    this.#memory.fill(0, KEYS, KEYS + 8 * this.#bands);
  }

  /** Pieces of byte shingles overlap, so that each shingle lies in one of them. */
  #readPieces(document: Uint8Array): number {
    const step = TEXT_BYTES - (this.#shingle.of === 'bytes' ? this.#shingle.length - 1 : 0);
    for (let at = 0; at < document.length; at += step) {
      const piece = document.subarray(at, at + TEXT_BYTES);
      this.#memory.set(piece, TEXT);
      this.#wasm.read(TEXT, piece.length);
    }
    return this.#wasm.end();
  }

  #collect(batch: SignedBatch, first: number, documents: number): void {
    const signatures = documents * this.#components;
    const keys = 2 * documents * this.#bands;
    batch.signed.set(this.#memory.subarray(SIGNED, SIGNED + documents), first);
    batch.signatures.set(this.#words.subarray(SIGNATURES / 4, SIGNATURES / 4 + signatures), first * this.#components);
    batch.keys.set(this.#words.subarray(KEYS / 4, KEYS / 4 + keys), 2 * first * this.#bands);
  }
}

function requireOrder({ bytes, offsets }: DocumentBatch): void {
  const last = offsets.at(-1);
  const inOrder = offsets.every((offset, i) => i === 0 || (offsets[i - 1] ?? 0) <= offset);
  if (last !== undefined && last <= bytes.length && inOrder) return;
  throw new RangeError(`Offsets from ${offsets[0]} to ${last} lay no documents out in ${bytes.length} bytes.`);
}
