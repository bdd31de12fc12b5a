import { PipelineError, SluiceError } from '../errors.ts';
import { littleEndianBytes } from '../formats/littleEndian.ts';
import { JAX_FORMAT, JAX_INDEX_FORMAT } from '../formats/names.ts';
import { safetensorsHeader, type TensorSpec } from '../formats/safetensors/write.ts';
import { canonicalJson, type JsonValue } from '../json.ts';
import type { PatchRows, RowColumn } from '../layouts/layout.ts';
import { definePipeline, type Pipeline } from '../run/definition.ts';
import type { JobStage, TaskContext } from '../run/jobStage.ts';
import type { ArtefactFile } from '../sinks/artefact.ts';
import { checkedFolder } from '../sinks/shardName.ts';
import { counting, filesOf, listTables, rowsOf, type TableFile, tableFiles } from './tableFiles.ts';

export interface JaxOptions {
  /** How many shards. This or `shardSize`. */
  readonly shards?: number | undefined;
  /** Rows of a shard. */
  readonly shardSize?: number | undefined;
  /** Fill the last shard up with zeros, and say with `mask` which rows are real. Default: true. */
  readonly pad?: boolean | undefined;
  /** Beginning of the files' names. Default `patches`. */
  readonly name?: string | undefined;
  /** Folder of shards within an output. */
  readonly dir?: string | undefined;
}

/** Rows [start, end) of all patches, of which `rows` are written. */
interface JaxRange {
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly rows: number;
}

/** How so many patches are divided: `shards` ranges of equal length, of which the last ones may be shorter or empty. */
export function jaxRanges(patches: number, options: Pick<JaxOptions, 'shards' | 'shardSize' | 'pad'>): JaxRange[] {
  const { shards = Math.max(1, Math.ceil(patches / (options.shardSize ?? 1))), pad = true } = options;
  const size = options.shardSize ?? Math.ceil(patches / shards);
  return Array.from({ length: shards }, (_, index) => {
    const start = Math.min(patches, index * size);
    const end = Math.min(patches, start + size);
    return { index, start, end, rows: pad ? size : end - start };
  });
}

const FOLDER = 'jax';

/**
 * A pipeline that cuts the patches of an output, or of files with one row a patch, into shards of equal length for
 * `jax.make_array_from_callback`: see docs/export.md. Every shard is a task of its own that reads ranges of the input, so
 * memory does not grow with it, and a run that was ended goes on where it was.
 *
 * @throws PipelineError `BAD_SHARDS` unless exactly one of `shards` and `shardSize` is a whole number from 1 on, `BAD_FOLDER`,
 *   `MIXED_DIMS`; SourceError what the input cannot be listed for
 */
export async function jaxPipeline(inputs: readonly string[], options: JaxOptions): Promise<Pipeline> {
  const { shards, shardSize, pad = true, name = 'patches', dir } = options;
  const given = shards ?? shardSize;
  if ((shards === undefined) === (shardSize === undefined) || !Number.isSafeInteger(given) || (given ?? 0) < 1) {
    throw new PipelineError('a JAX export needs a number of shards, or of rows of a shard', {
      code: 'BAD_SHARDS',
      hint: 'give --num-shards or --shard-size, a whole number from 1 on',
    });
  }
  // the names of the files say how many there are
  const { patches, dim } = totalsOf(await listTables({ inputs, dir }, { splitBytes: 1, reject: refuse }));
  const cut: Cut = {
    name: checkedFolder(name),
    pad,
    patches,
    dim,
    ranges: jaxRanges(patches, { shards, shardSize, pad }),
  };
  const decisive = { name, pad, patches, dim, shards: cut.ranges.length, rows: cut.ranges[0]?.rows ?? 0 };
  return definePipeline('export-jax', tableFiles({ inputs, dir })).to(
    counting('jax', decisive, [shardStage(cut), indexStage(cut)]),
  );
}

function refuse(error: Error): never {
  throw error;
}

interface Cut {
  readonly name: string;
  readonly pad: boolean;
  readonly patches: number;
  readonly dim: number;
  readonly ranges: readonly JaxRange[];
}

/** @throws PipelineError `MIXED_DIMS` */
function totalsOf(files: readonly TableFile[]): Pick<Cut, 'patches' | 'dim'> {
  const dim = files[0]?.dim ?? 0;
  const other = files.find((file) => file.dim !== dim);
  if (other !== undefined) {
    throw new PipelineError(`'${other.path}' has embeddings of ${other.dim} numbers, after ${dim}`, {
      code: 'MIXED_DIMS',
      path: other.path,
      hint: 'one array has one width: export them apart',
    });
  }
  return { patches: files.reduce((sum, { patches }) => sum + patches, 0), dim };
}

const taskName = (index: number): string => String(index).padStart(6, '0');

const fileName = ({ name, ranges }: Cut, index: number): string =>
  `${FOLDER}/${name}_shard_${index}_of_${ranges.length}.safetensors`;

/** Bytes of rows that are read and written at a time. */
const CHUNK = 8 << 20;

function shardStage(cut: Cut): JobStage {
  return {
    name: `${FOLDER}/shard`,
    holds: 4 * CHUNK,
    files: cut.ranges.map(({ index }) => fileName(cut, index)),
    tasks: async () => cut.ranges.map(({ index }) => taskName(index)),
    run: (context) => new JaxShard(context, cut, Number(context.task)).write(),
  };
}

/** `jax/jax.json`: what the shards make up, and which rows each of them holds. */
function indexStage(cut: Cut): JobStage {
  const file = `${FOLDER}/jax.json`;
  return {
    name: `${FOLDER}/index`,
    holds: 1 << 20,
    files: [file],
    tasks: async () => ['0'],
    async run(context) {
      const { ranges, patches, dim, pad } = cut;
      const index = await context.file(file);
      await index.write(Buffer.from(`${canonicalJson(indexOf(cut), 1)}\n`));
      await index.publish({ format: JAX_INDEX_FORMAT, shards: ranges.length, patches, dim, padded: pad });
      return { shards: ranges.length, patches };
    },
  };
}

function indexOf(cut: Cut): JsonValue {
  const { ranges, patches, dim, pad } = cut;
  const rows = globalRows(cut);
  const arrays = {
    embeddings: { dtype: 'float32', global_shape: [rows, dim] },
    mask: { dtype: 'uint8', global_shape: [rows] },
    patch_entropies: { dtype: 'float32', global_shape: [rows] },
    patch_lengths: { dtype: 'int32', global_shape: [rows] },
    prominence: { dtype: 'float32', global_shape: [rows] },
  };
  const { mask, ...bare } = arrays;
  return {
    format: JAX_INDEX_FORMAT,
    arrays: pad ? { ...bare, mask } : bare,
    axis: 0,
    num_shards: ranges.length,
    padded: pad,
    valid_rows: patches,
    shards: ranges.map(({ index, start, end, rows: own }) => {
      // Without padding shards may be shorter, and their rows are those that are real.
      const first = pad ? index * own : start;
      const path = fileName(cut, index).slice(FOLDER.length + 1);
      return { path, index, process_index: index, start: first, end: first + own, valid_rows: end - start };
    }),
  };
}

function globalRows({ ranges, patches, pad }: Cut): number {
  return pad ? ranges.reduce((sum, { rows }) => sum + rows, 0) : patches;
}

/** Writes one shard, tensor by tensor. */
class JaxShard {
  readonly #context: TaskContext;
  readonly #cut: Cut;
  readonly #range: JaxRange;
  readonly #files: readonly TableFile[];

  constructor(context: TaskContext, cut: Cut, index: number) {
    const range = cut.ranges[index];
    if (range === undefined) throw new SluiceError(`there is no shard ${index}`, { code: 'BAD_PLAN' });
    this.#context = context;
    this.#cut = cut;
    this.#range = range;
    this.#files = filesOf(context.splits);
  }

  async write(): Promise<Record<string, number>> {
    const { index, start, end, rows } = this.#range;
    const { dim, pad } = this.#cut;
    const patches = end - start;
    let bytes = 0;
    for await (const { lengths } of this.#rows([])) for (const length of lengths ?? []) bytes += length;
    const file = await this.#context.file(fileName(this.#cut, index));
    await file.write(safetensorsHeader(this.#tensors(bytes), this.#metadata(bytes)));
    const empty = rows - patches;
    // in the order of the header: by type, then by name
    await this.#column(file, ['embeddings'], ({ embeddings }) => embeddings, 4 * dim * empty);
    await this.#column(file, ['entropy'], ({ entropy }) => entropy, 4 * empty);
    await this.#column(file, ['prominence'], ({ prominence }) => prominence, 4 * empty);
    await this.#column(file, [], ({ lengths }) => lengths, 4 * empty);
    await this.#column(file, ['bytes'], ({ bytes: own }) => own, 0);
    if (pad) {
      await filled(file, patches, 1);
      await filled(file, empty, 0);
    }
    await file.publish({ format: JAX_FORMAT, shard: index, start, rows, patches, bytes, dim });
    return { patches, bytes };
  }

  #tensors(bytes: number): TensorSpec[] {
    const { dim, pad } = this.#cut;
    const { rows } = this.#range;
    return [
      { name: 'embeddings', dtype: 'F32', shape: [rows, dim] },
      { name: 'patch_entropies', dtype: 'F32', shape: [rows] },
      { name: 'prominence', dtype: 'F32', shape: [rows] },
      { name: 'patch_lengths', dtype: 'I32', shape: [rows] },
      { name: 'bytes', dtype: 'U8', shape: [bytes] },
      ...(pad ? [{ name: 'mask', dtype: 'U8', shape: [rows] } as const] : []),
    ];
  }

  #metadata(bytes: number): Record<string, string> {
    const { index, start, end, rows } = this.#range;
    const { dim, ranges } = this.#cut;
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
    for await (const rows of rowsOf(this.#files, { from, to, columns, rowBytes: CHUNK })) {
      this.#context.signal.throwIfAborted();
      yield rows;
    }
  }
}

function lacking(column = 'patch_lengths', files: readonly TableFile[]): SluiceError {
  return new SluiceError(`there is no ${column} of some of the patches`, {
    code: 'NO_SIGNALS',
    path: files[0]?.path,
    hint: 'arrays of all patches need it of every one: blt_patches_v3 files have them',
  });
}

async function filled(file: ArtefactFile, bytes: number, value: number): Promise<void> {
  for (let at = 0; at < bytes; at += CHUNK) await file.write(new Uint8Array(Math.min(CHUNK, bytes - at)).fill(value));
}
