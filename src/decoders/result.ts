import { Deserializer, Serializer } from 'node:v8';
import { PART_BYTES } from './protocol.ts';

declare module 'node:v8' {
  interface Serializer {
    /** Hands views of buffers to `_writeHostObject`. */
    _setTreatArrayBufferViewsAsHostObjects(flag: boolean): void;
  }
}

/** Kinds of arrays by the number that stands for them between processes. A Buffer arrives as a Uint8Array. */
const KINDS = [
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;

/** How an array is written into the head: its bytes, or the number of the part that they are. */
const INLINE = 0;
const PART = 1;

/** A value with its large arrays taken out. */
export interface Dismantled {
  readonly parts: readonly Uint8Array[];
  readonly head: Uint8Array;
}

class Dismantler extends Serializer {
  readonly parts: Uint8Array[] = [];

  constructor() {
    super();
    this._setTreatArrayBufferViewsAsHostObjects(true);
  }

  /** Called for each array once, however often it is named. */
  _writeHostObject(view: ArrayBufferView): void {
    const kind = KINDS.findIndex((Kind) => view instanceof Kind);
    if (kind === -1) throw new TypeError('views of this kind do not travel between processes');
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    this.writeUint32(kind);
    if (bytes.length >= PART_BYTES) {
      this.writeUint32(PART);
      this.writeUint32(this.parts.push(bytes) - 1);
      return;
    }
    this.writeUint32(INLINE);
    this.writeUint32(bytes.length);
    this.writeRawBytes(bytes);
  }
}

class Assembler extends Deserializer {
  readonly #parts: readonly Uint8Array<ArrayBuffer>[];

  constructor(head: Uint8Array, parts: readonly Uint8Array<ArrayBuffer>[]) {
    super(head);
    this.#parts = parts;
  }

  _readHostObject(): ArrayBufferView {
    const Kind = KINDS[this.readUint32()] ?? Uint8Array;
    const inline = this.readUint32() === INLINE;
    const number = this.readUint32();
    // a copy of its own: a view would keep all of the head, and lie anywhere in it
    const bytes = inline ? Uint8Array.from(this.readRawBytes(number)) : this.#parts[number];
    if (bytes === undefined) throw new Error(`part ${number} is not there`);
    return new Kind(bytes.buffer, bytes.byteOffset, bytes.byteLength / Kind.BYTES_PER_ELEMENT);
  }
}

/**
 * Takes large typed arrays out of a plain value, so that they need not be copied into its serialized form.
 *
 * @throws DataCloneError, TypeError for what cannot travel: functions, `DataView`
 */
export function dismantle(value: unknown): Dismantled {
  const dismantler = new Dismantler();
  dismantler.writeHeader();
  dismantler.writeValue(value);
  return { parts: dismantler.parts, head: dismantler.releaseBuffer() };
}

/** Puts a value together again; its large arrays are the parts themselves. */
export function assemble(head: Uint8Array, parts: readonly Uint8Array<ArrayBuffer>[]): unknown {
  const assembler = new Assembler(head, parts);
  assembler.readHeader();
  return assembler.readValue();
}
