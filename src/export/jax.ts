import { PipelineError } from '../errors.ts';
import { JAX_INDEX_FORMAT } from '../formats/names.ts';
import { canonicalJson, type JsonValue } from '../json.ts';
import { QUANTIZATION_KEY, quantizationValue } from '../quantization/fieldTensors.ts';
import { definePipeline, type Pipeline } from '../run/definition.ts';
import type { JobStage } from '../run/jobStage.ts';
import { checkedFolder } from '../sinks/shardName.ts';
import { describedFields, globalRows, type JaxCut, type JaxRange, jaxTensors, numpyType, shardName } from './jaxCut.ts';
import { identityOf, learnedBytes, storedFieldsOf } from './jaxFields.ts';
import { CHUNK_BYTES, JaxShard } from './jaxShard.ts';
import { counting, listTables, type TableFile, tableFiles } from './tableFiles.ts';

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
  /** See `TableOptions`. */
  readonly quantizer?: string | undefined;
  /** Write quantized fields as the parts that they are kept in, rather than the float32 values these stand for. Default: false. */
  readonly asStored?: boolean | undefined;
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
 *   `MIXED_DIMS`; `MIXED_QUANTIZERS`, at the latest while it runs; SourceError what the input cannot be listed for
 */
export async function jaxPipeline(inputs: readonly string[], options: JaxOptions): Promise<Pipeline> {
  const { shards, shardSize, pad = true, name = 'patches', dir, quantizer, asStored = false } = options;
  const given = shards ?? shardSize;
  if ((shards === undefined) === (shardSize === undefined) || !Number.isSafeInteger(given) || (given ?? 0) < 1) {
    throw new PipelineError('a JAX export needs a number of shards, or of rows of a shard', {
      code: 'BAD_SHARDS',
      hint: 'give --num-shards or --shard-size, a whole number from 1 on',
    });
  }
  // the names of the files say how many there are
  const tables = { inputs, dir, quantizer };
  const files = await listTables(tables, { splitBytes: 1, reject: refuse });
  const { patches, dim } = totalsOf(files);
  const fields = asStored ? await storedFieldsOf(files[0]) : [];
  const cut: JaxCut = {
    name: checkedFolder(name),
    pad,
    patches,
    dim,
    fields,
    ranges: jaxRanges(patches, { shards, shardSize, pad }),
  };
  const decisive = {
    ...{ name, pad, patches, dim, shards: cut.ranges.length, rows: cut.ranges[0]?.rows ?? 0 },
    ...(fields.length === 0 ? {} : { quantized: identityOf(fields) }),
  };
  return definePipeline('export-jax', tableFiles(tables)).to(
    counting('jax', decisive, [shardStage(cut), indexStage(cut)]),
  );
}

function refuse(error: Error): never {
  throw error;
}

/** @throws PipelineError `MIXED_DIMS` */
function totalsOf(files: readonly TableFile[]): Pick<JaxCut, 'patches' | 'dim'> {
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

const fileName = (cut: JaxCut, index: number): string => `${FOLDER}/${shardName(cut, index)}`;

function shardStage(cut: JaxCut): JobStage {
  return {
    name: `${FOLDER}/shard`,
    holds: 4 * CHUNK_BYTES + learnedBytes(cut.fields),
    files: cut.ranges.map(({ index }) => fileName(cut, index)),
    tasks: async () => cut.ranges.map(({ index }) => taskName(index)),
    run: (context) => new JaxShard(context, cut, FOLDER, Number(context.task)).write(),
  };
}

/** `jax/jax.json`: what the shards make up, and which rows each of them holds. */
function indexStage(cut: JaxCut): JobStage {
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

function indexOf(cut: JaxCut): JsonValue {
  const { ranges, patches, fields, pad } = cut;
  const tensors = jaxTensors(cut, globalRows(cut)).filter(({ kind }) => kind !== 'bytes');
  const arrays = tensors.map(({ name, dtype, shape, kind }): [string, JsonValue] => {
    const type = numpyType(dtype);
    return [
      name,
      kind === 'learned'
        ? { dtype: type, global_shape: shape, replicated: true }
        : { dtype: type, global_shape: shape },
    ];
  });
  return {
    format: JAX_INDEX_FORMAT,
    arrays: Object.fromEntries(arrays),
    axis: 0,
    num_shards: ranges.length,
    padded: pad,
    valid_rows: patches,
    ...(fields.length === 0 ? {} : { [QUANTIZATION_KEY]: quantizationValue(describedFields(fields)) }),
    shards: ranges.map(({ index, start, end, rows: own }) => {
      // Without padding shards may be shorter, and their rows are those that are real.
      const first = pad ? index * own : start;
      const path = shardName(cut, index);
      return { path, index, process_index: index, start: first, end: first + own, valid_rows: end - start };
    }),
  };
}
