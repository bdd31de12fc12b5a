import { float32From, int32From } from '../formats/littleEndian.ts';
import { type Dtype, dtypeSize } from '../formats/safetensors/dtype.ts';
import { parseSafetensorsHeader, type SafetensorsHeader, type TensorEntry } from '../formats/safetensors/read.ts';
import { fieldTensor } from '../quantization/fieldTensors.ts';
import type { QuantizedFieldName } from '../records.ts';
import type { ByteFile } from './byteFile.ts';
import { badLayout } from './layout.ts';
import { type StoredFields, storedFields } from './quantized/storedFields.ts';

/** The format's own limit is 100 MB; nobody needs a hundredth of it for a dozen tensors. */
const MAX_HEADER = 16 << 20;

/** Elements that are read at a time where a tensor is looked through. */
const SCAN = 1 << 18;

/** The tensors of one safetensors file, read by element. */
export class Tensors {
  readonly file: ByteFile;
  readonly header: SafetensorsHeader;
  /** Fields that are there in fewer bytes, by what the file says. */
  readonly stored: StoredFields;

  private constructor(file: ByteFile, header: SafetensorsHeader) {
    this.file = file;
    this.header = header;
    this.stored = storedFields(header, file.path);
  }

  /**
   * @throws SluiceError `SAFETENSORS_*` where the header cannot be parsed, or lies about the file, `BAD_QUANTIZATION` where
   *   what it says of quantized fields is nothing that sluice writes
   */
  static async open(file: ByteFile): Promise<Tensors> {
    const first = await file.read(0, Math.min(8, file.size));
    const claimed = first.length < 8 ? 0 : Number(Buffer.from(first).readBigUInt64LE(0));
    // A length that cannot be true is left to the parser, which says what is wrong with it.
    const isPossible = claimed <= MAX_HEADER && 8 + claimed <= file.size;
    const head = isPossible ? await file.read(0, 8 + claimed) : first;
    if (claimed > MAX_HEADER && 8 + claimed <= file.size) {
      throw badLayout(
        file.path,
        'SAFETENSORS_HEADER',
        `has a header of ${claimed} bytes; ${MAX_HEADER} are read at most`,
      );
    }
    return new Tensors(file, parseSafetensorsHeader(head, file.size, file.path));
  }

  get path(): string {
    return this.file.path;
  }

  has(name: string): boolean {
    return this.header.tensors.has(name);
  }

  /** Whether it has the numbers of a field, as float32 or in fewer bytes. */
  holds(field: QuantizedFieldName): boolean {
    return this.has(fieldTensor(field)) || this.stored.has(field);
  }

  entry(name: string): TensorEntry {
    const entry = this.header.tensors.get(name);
    if (entry === undefined) throw badLayout(this.path, 'MISSING_TENSOR', `has no tensor '${name}'`);
    return entry;
  }

  /**
   * Requires a type and a shape; -1 stands for any side.
   * @throws SluiceError `MISSING_TENSOR`, `WRONG_TENSOR`
   */
  require(name: string, dtype: Dtype, shape: readonly number[]): TensorEntry {
    const entry = this.entry(name);
    const fits = entry.shape.length === shape.length && shape.every((side, i) => side < 0 || side === entry.shape[i]);
    if (entry.dtype !== dtype || !fits) {
      const wanted = shape.map((side) => (side < 0 ? 'any' : side)).join(', ');
      throw badLayout(
        this.path,
        'WRONG_TENSOR',
        `has ${name} as ${entry.dtype} [${entry.shape.join(', ')}], and it should be ${dtype} [${wanted}]`,
      );
    }
    return entry;
  }

  /** Elements [from, to) of a tensor, in the order of memory, as bytes. */
  bytes(name: string, from: number, to: number): Promise<Uint8Array> {
    const { offset, dtype } = this.entry(name);
    const size = dtypeSize(dtype) ?? 1;
    return this.file.read(offset + from * size, offset + to * size);
  }

  async floats(name: string, from: number, to: number): Promise<Float32Array<ArrayBuffer>> {
    return float32From(await this.bytes(name, from, to));
  }

  async ints(name: string, from: number, to: number): Promise<Int32Array<ArrayBuffer>> {
    return int32From(await this.bytes(name, from, to));
  }

  /** How many elements a tensor has. */
  count(name: string): number {
    const { length, dtype } = this.entry(name);
    return length / (dtypeSize(dtype) ?? 1);
  }

  /** All elements in order, some at a time. */
  async *scan<T>(
    name: string,
    read: (name: string, from: number, to: number) => Promise<T>,
  ): AsyncGenerator<{ readonly from: number; readonly values: T }, void, undefined> {
    const count = this.count(name);
    for (let from = 0; from < count; from += SCAN) {
      yield { from, values: await read.call(this, name, from, Math.min(count, from + SCAN)) };
    }
  }

  /** What `__metadata__` says a number is must be what the tensors say. */
  requireSaid(numbers: Readonly<Record<string, number>>): void {
    for (const [key, value] of Object.entries(numbers)) {
      const said = this.header.metadata[key];
      if (said === undefined || said === String(value)) continue;
      throw badLayout(this.path, 'HEADER_LIES', `says ${key} is '${said}', and its tensors make it ${value}`);
    }
  }
}
