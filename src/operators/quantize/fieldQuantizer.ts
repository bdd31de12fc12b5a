import { SluiceError } from '../../errors.ts';
import { type SharedCoder, sharedCoder } from '../../quantization/gpu/sharedCoders.ts';
import { openQuantizer, type Quantizer } from '../../quantization/quantizer.ts';
import type { Encoded } from '../../quantization/scheme.ts';
import { schemeOf } from '../../quantization/schemes.ts';
import type { Patches, QuantizedField } from '../../records.ts';
import { sharedPool, workerModule } from '../../run/pool.ts';
import type { EncodeTask } from './encodeWorker.ts';
import { ofDocument, rowsOf } from './fieldRows.ts';
import type { FieldSettings } from './settings.ts';
import { quantizerFor, type TrainedFile } from './trained.ts';

const encodeModule = workerModule(import.meta.url, './encodeWorker');

/** Products with tables of more values than this are work for another thread. */
const MUCH_TO_MULTIPLY = 4096;

/** Whether rows are worth the way to a device and back, which takes several times as long as codes at the speed of memory. */
export function isWorthTheWay({ chain }: Pick<Quantizer, 'chain'>): boolean {
  return chain.some(({ scheme: name }) => {
    const scheme = schemeOf(name);
    return scheme.kind === 'coder' && scheme.isSlow === true;
  });
}

/** Where rows are encoded, when not here. */
export interface EncodeDevice {
  readonly name: string;
  /** It was named for this, and not for the model. */
  readonly isAsked: boolean;
}

/** Quantizes one field of the values of a flow. */
export class FieldQuantizer {
  readonly #settings: FieldSettings;
  readonly #keep: boolean;
  readonly #trained: TrainedFile | undefined;
  readonly #device: EncodeDevice | undefined;
  #quantizer: Quantizer | undefined;
  #coder: SharedCoder | undefined;

  constructor(
    settings: FieldSettings,
    keep: boolean,
    { trained, device }: { readonly trained: TrainedFile | undefined; readonly device: EncodeDevice | undefined },
  ) {
    this.#settings = settings;
    this.#keep = keep;
    this.#trained = trained;
    this.#device = device;
  }

  /** @throws SluiceError `QUANTIZE_VALUE` naming the document, for a number that cannot be quantized */
  async quantize(value: Patches): Promise<QuantizedField> {
    const { field } = this.#settings;
    const { columns, rows } = rowsOf(value, field);
    const quantizer = this.#opened(value, columns);
    try {
      return { field, quantizer, keep: this.#keep, encoded: await this.#encode(quantizer, rows) };
    } catch (error) {
      throw ofDocument(error, field, value);
    }
  }

  #opened(value: Patches, columns: number): Quantizer {
    const { field, chain, trains } = this.#settings;
    if (this.#quantizer === undefined) {
      const { file = '', path, sha256 = '', quantizers = new Map() } = this.#trained ?? {};
      const quantizer = trains ? quantizerFor(this.#settings, quantizers, file) : openQuantizer(chain, columns);
      this.#quantizer = trains && path !== undefined ? { ...quantizer, file: { path, sha256 } } : quantizer;
    }
    if (this.#quantizer.columns === columns) return this.#quantizer;
    const { source } = value.segment.document;
    throw new SluiceError(`${field} of ${columns} columns come to a quantizer of ${this.#quantizer.columns}`, {
      code: 'QUANTIZER_COLUMNS',
      path: source.uri,
      position: source.position,
      hint: 'a quantizer serves the embeddings of one model',
    });
  }

  async #encode(quantizer: Quantizer, rows: Float32Array): Promise<Encoded> {
    const trained = this.#trained;
    if (this.#device !== undefined && (this.#device.isAsked || isWorthTheWay(quantizer))) {
      const { name, isAsked } = this.#device;
      this.#coder ??= sharedCoder(name, quantizer, trained?.sha256 ?? '', isAsked);
      const encoded = await this.#coder.encode(rows);
      if (encoded !== undefined) return encoded;
    }
    const values = quantizer.trained.reduce((sum, tensor) => sum + tensor.values.length, 0);
    if (trained === undefined || values < MUCH_TO_MULTIPLY) return quantizer.encode(rows);
    const { file, sha256 } = trained;
    const task: EncodeTask = { file, sha256, field: this.#settings.field, rows: rows.slice() };
    return sharedPool().run<Encoded>(encodeModule, task, [task.rows.buffer]);
  }
}
