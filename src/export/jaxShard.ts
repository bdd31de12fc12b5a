import { SluiceError } from '../errors.ts';
import { littleEndianBytes } from '../formats/littleEndian.ts';
import { JAX_FORMAT } from '../formats/names.ts';
import { dtypeRank } from '../formats/safetensors/dtype.ts';
import { safetensorsHeader } from '../formats/safetensors/write.ts';
import { canonicalJson } from '../json.ts';
import type { PatchRows, RowColumn } from '../layouts/layout.ts';
import { chainName, isSignal, QUANTIZATION_KEY, quantizationText } from '../quantization/fieldTensors.ts';
import type { TaskContext } from '../run/jobStage.ts';
import type { ArtefactFile } from '../sinks/artefact.ts';
import {
  describedFields,
  globalRows,
  type JaxCut,
  type JaxRange,
  type JaxTensor,
  jaxTensors,
  shardName,
} from './jaxCut.ts';
import { requireSameFields } from './jaxFields.ts';
import { filesOf, rowsOf, type TableFile } from './tableFiles.ts';

/** Bytes of rows that are read and written at a time. */
export const CHUNK_BYTES = 8 << 20;

/** Writes one shard, tensor by tensor. */
export class JaxShard {
  readonly #context: TaskContext;
  readonly #cut: JaxCut;
  readonly #folder: string;
  readonly #range: JaxRange;
  readonly #files: readonly TableFile[];

  constructor(context: TaskContext, cut: JaxCut, folder: string, index: number) {
    const range = cut.ranges[index];
    if (range === undefined) throw new SluiceError(`there is no shard ${index}`, { code: 'BAD_PLAN' });
    this.#context = context;
    this.#cut = cut;
    this.#folder = folder;
    this.#range = range;
    this.#files = filesOf(context.splits);
  }

  async write(): Promise<Record<string, number>> {
    const { index, start, end, rows } = this.#range;
    const { dim, fields } = this.#cut;
    const patches = end - start;
    if (fields.length > 0) await requireSameFields(this.#filesWithin(start, end), fields);
    let bytes = 0;
    for await (const { lengths } of this.#rows([])) for (const length of lengths ?? []) bytes += length;
    const file = await this.#context.file(`${this.#folder}/${shardName(this.#cut, index)}`);
    const tensors = jaxTensors(this.#cut, rows, bytes);
    await file.write(safetensorsHeader(tensors, this.#metadata(bytes)));
    for (const tensor of inFileOrder(tensors)) await this.#tensor(file, tensor);
    const chains = Object.fromEntries(fields.map(({ field, quantizer }) => [field, chainName(quantizer.chain)]));
    const quantized = fields.length === 0 ? {} : { quantized: chains };
    await file.publish({ format: JAX_FORMAT, shard: index, start, rows, patches, bytes, dim, ...quantized });
    return { patches, bytes };
  }

  async #tensor(file: ArtefactFile, tensor: JaxTensor): Promise<void> {
    const { start, end, rows } = this.#range;
    const empty = rows - (end - start);
    switch (tensor.kind) {
      case 'learned':
        return await file.write(littleEndianBytes(tensor.values));
      case 'mask':
        await filled(file, end - start, 1);
        return await filled(file, empty, 0);
      case 'part': {
        const { field, part, rowBytes } = tensor;
        if (isSignal(field)) return;
        const encodedOf = ({ quantized }: PatchRows) =>
          quantized?.find((stored) => stored.field === field)?.encoded[part];
        return await this.#column(file, [field], encodedOf, rowBytes * empty);
      }
      case 'lengths':
        return await this.#column(file, [], ({ lengths }) => lengths, 4 * empty);
      case 'bytes':
        return await this.#column(file, ['bytes'], ({ bytes }) => bytes, 0);
      case 'float': {
        const { field, width } = tensor;
        return await this.#column(file, [field], (some) => some[field], 4 * width * empty);
      }
    }
  }

  #metadata(bytes: number): Record<string, string> {
    const { index, start, end, rows } = this.#range;
    const { dim, ranges, fields } = this.#cut;
    const sharding = {
      axis: 0,
      global_shape: [globalRows(this.#cut), dim],
      num_shards: ranges.length,
      process_index: index,
      shard_index: index,
    };
    return {
      format: JAX_FORMAT,
      embed_dim: String(dim),
      num_rows: String(rows),
      num_patches: String(end - start),
      total_bytes: String(bytes),
      sharding_info: canonicalJson(sharding),
      ...(fields.length === 0 ? {} : { [QUANTIZATION_KEY]: quantizationText(describedFields(fields)) }),
    };
  }

  async #column(
    file: ArtefactFile,
    columns: readonly RowColumn[],
    pick: (rows: PatchRows) => Float32Array | Int32Array | Uint8Array | undefined,
    padding: number,
  ): Promise<void> {
    for await (const rows of this.#rows(columns)) {
      const values = pick(rows);
      if (values === undefined && (columns[0] !== 'embeddings' || this.#cut.dim > 0))
        throw lacking(columns[0], this.#files);
      if (values !== undefined && values.length > 0) await file.write(littleEndianBytes(values));
    }
    await filled(file, padding, 0);
  }

  async *#rows(columns: readonly RowColumn[]): AsyncGenerator<PatchRows, void, undefined> {
    const { start: from, end: to } = this.#range;
    const asStored = this.#cut.fields.length > 0;
    for await (const rows of rowsOf(this.#files, { from, to, columns, asStored, rowBytes: CHUNK_BYTES })) {
      this.#context.signal.throwIfAborted();
      yield rows;
    }
  }

  /** Those with any of these rows. */
  #filesWithin(start: number, end: number): TableFile[] {
    let first = 0;
    return this.#files.filter(({ patches }) => {
      const from = first;
      first += patches;
      return from < end && first > start;
    });
  }
}

/** As the header has them: by type, then by name. */
function inFileOrder(tensors: readonly JaxTensor[]): JaxTensor[] {
  return tensors.toSorted((a, b) => dtypeRank(b.dtype) - dtypeRank(a.dtype) || (a.name < b.name ? -1 : 1));
}

function lacking(column = 'patch_lengths', files: readonly TableFile[]): SluiceError {
  return new SluiceError(`there is no ${column} of some of the patches`, {
    code: 'NO_SIGNALS',
    path: files[0]?.path,
    hint: 'arrays of all patches need it of every one: blt_patches_v3 files have them',
  });
}

async function filled(file: ArtefactFile, bytes: number, value: number): Promise<void> {
  for (let at = 0; at < bytes; at += CHUNK_BYTES)
    await file.write(new Uint8Array(Math.min(CHUNK_BYTES, bytes - at)).fill(value));
}
