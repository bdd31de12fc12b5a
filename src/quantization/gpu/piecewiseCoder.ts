import { DeviceError, SluiceError } from '../../errors.ts';
import type { Quantizer } from '../quantizer.ts';
import type { Encoded } from '../scheme.ts';
import { inPieces, type Piece } from './pieces.ts';

const PIECE_BYTES = 8 << 20;

/** A quantizer on a device. */
export interface GpuCoder {
  /**
   * Byte for byte what `quantizer.encode` gives.
   * @param rows f32[rows, columns], not to be changed before the promise is settled
   * @throws SluiceError `QUANTIZE_VALUE`, as `quantizer.encode`
   * @throws DeviceError `DEVICE_LOST`, `GPU_MEMORY`, `GPU_FAILED`
   */
  encode(rows: Float32Array): Promise<Encoded>;
  /**
   * Bit for bit what `quantizer.decode` gives.
   * @throws SluiceError `QUANTIZE_CODE`, as `quantizer.decode`
   * @throws DeviceError as `encode`
   */
  decode(encoded: readonly Uint8Array[]): Promise<Float32Array<ArrayBuffer>>;
  /** Gives back what it holds on the device; nothing is encoded or decoded after that. */
  close(): void | Promise<void>;
}

/** What a device does not go on with: the CPU has the last word on it. */
export class Undecided extends Error {
  override name = 'Undecided';
}

/** What encodes some rows on a device; it throws Undecided, SluiceErrors about its rows, DeviceErrors about itself. */
export interface PieceCoder {
  encode(rows: Float32Array): Promise<Encoded>;
  decode(encoded: readonly Uint8Array[]): Promise<Float32Array<ArrayBuffer>>;
  close(): void | Promise<void>;
}

/** Hands rows to a device in pieces, a few at once, and puts the results together. */
export class PiecewiseCoder implements GpuCoder {
  readonly #quantizer: Quantizer;
  readonly #device: PieceCoder;
  /** Rows of a piece. */
  readonly #most: number;

  constructor(quantizer: Quantizer, device: PieceCoder, pieceBytes = PIECE_BYTES) {
    this.#quantizer = quantizer;
    this.#device = device;
    this.#most = Math.max(1, Math.floor(pieceBytes / (4 * quantizer.columns)));
  }

  async encode(rows: Float32Array): Promise<Encoded> {
    const { columns, parts } = this.#quantizer;
    const count = rows.length / columns;
    // what is no row, and no rows at all, are the CPU's
    if (!Number.isInteger(count) || count === 0) return this.#quantizer.encode(rows);
    const encoded = parts.map(({ rowBytes }) => new Uint8Array(count * rowBytes));
    const encode = async ({ first, count: some }: Piece): Promise<void> => {
      const found = await this.#device.encode(rows.subarray(first * columns, (first + some) * columns));
      for (const [i, { rowBytes }] of parts.entries()) {
        const bytes = found[i];
        if (bytes?.length !== some * rowBytes) throw new Error(`part ${i} has ${bytes?.length} bytes`);
        encoded[i]?.set(bytes, first * rowBytes);
      }
    };
    return (await this.#decided(inPieces(count, this.#most, encode))) ? encoded : this.#quantizer.encode(rows);
  }

  async decode(encoded: readonly Uint8Array[]): Promise<Float32Array<ArrayBuffer>> {
    const { columns, parts } = this.#quantizer;
    const count = (encoded[0]?.length ?? 0) / (parts[0]?.rowBytes ?? 1);
    const isWhole =
      encoded.length === parts.length && parts.every(({ rowBytes }, i) => encoded[i]?.length === count * rowBytes);
    if (!Number.isInteger(count) || count === 0 || !isWhole) return this.#quantizer.decode(encoded);
    const rows = new Float32Array(count * columns);
    const decode = async ({ first, count: some }: Piece): Promise<void> => {
      const pieces = parts.map(({ rowBytes }, i) => {
        return (encoded[i] ?? new Uint8Array()).subarray(first * rowBytes, (first + some) * rowBytes);
      });
      rows.set(await this.#device.decode(pieces), first * columns);
    };
    return (await this.#decided(inPieces(count, this.#most, decode))) ? rows : this.#quantizer.decode(encoded);
  }

  close(): void | Promise<void> {
    return this.#device.close();
  }

  /** False where the CPU has to look at what was given: it names the first place that is wrong, as always. */
  async #decided(work: Promise<void>): Promise<boolean> {
    try {
      await work;
      return true;
    } catch (error) {
      if (error instanceof Undecided) return false;
      if (error instanceof SluiceError && !(error instanceof DeviceError)) return false;
      throw error;
    }
  }
}
