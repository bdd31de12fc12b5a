import path from 'node:path';
import { PipelineError } from '../../errors.ts';
import { requireOptions } from '../../knownOptions.ts';
import { isDevice } from '../../model/devices/device.ts';
import { type Chain, resolveChain, type To } from '../../quantization/chain.ts';
import { needsTraining } from '../../quantization/quantizer.ts';
import { QUANTIZED_FIELDS, type QuantizedFieldName } from '../../records.ts';
import { checkedFolder } from '../../sinks/shardName.ts';

export interface QuantizeOptions {
  /** What embeddings become: `'int8'`, `'pca:64+int8'`, or schemes with options. Default: they stay as they are. */
  readonly to?: To | undefined;
  /**
   * What signals become: `prominence` and `entropy` of patches, `entropies` and `norms` of bytes; one number a row, so with
   * schemes whose scale is no row's own, such as `{ scheme: 'variable', bits: 8, range: 'minmax' }`. Default: they stay.
   */
  readonly signals?: Readonly<Partial<Record<Exclude<QuantizedFieldName, 'embeddings'>, To>>> | undefined;
  /** Have sinks write the float32 values as well. Default: false. */
  readonly keep?: boolean | undefined;
  /** What schemes that learn are trained on. */
  readonly sample?: SampleOptions | undefined;
  /** File of quantizers that were trained before: nothing is trained. Its schemes must be those that are asked for here. */
  readonly quantizer?: string | undefined;
  /** Rows over which the quality is measured behind the run; 0 for none. Default: 2048, at most 8192. */
  readonly qualityRows?: number | undefined;
  /** Folder within the output folder. Default: `quantizer`. */
  readonly dir?: string | undefined;
  /**
   * Where codes are computed, which are the same everywhere: `cpu`, a device as `--device` names them, or `auto`: `pq` on the GPU
   * that the run computes its model on, all else on the CPU, which is faster than the way to a GPU. What a device cannot compute, or
   * not any more, the CPU does. Default: `auto`.
   */
  readonly device?: string | undefined;
}

export interface SampleOptions {
  /** Rows that are drawn at most, evenly from all that are read. Default: 16384. */
  readonly rows?: number | undefined;
  /** Bytes that they may take, as float32. Default: 64 MiB. */
  readonly bytes?: number | undefined;
  /** Splits that are read for it, evenly spread; each is computed twice then. Default: 8. */
  readonly splits?: number | undefined;
  /** Default: 0. */
  readonly seed?: number | undefined;
}

/** One field with all that is known of it beforehand. */
export interface FieldSettings {
  readonly field: QuantizedFieldName;
  readonly chain: Chain;
  readonly trains: boolean;
}

export interface QuantizeSettings {
  readonly fields: readonly FieldSettings[];
  readonly keep: boolean;
  readonly sample: Readonly<Record<keyof SampleOptions, number>>;
  /** Absolute path. */
  readonly quantizer: string | undefined;
  readonly qualityRows: number;
  readonly dir: string;
  readonly device: string;
}

const MOST_QUALITY_ROWS = 8192;

/** @throws PipelineError `BAD_OPTION`, `UNKNOWN_OPTION`, `BAD_FOLDER` */
export function quantizeSettings(options: QuantizeOptions): QuantizeSettings {
  requireOptions('quantize', options, {
    ...{ to: true, signals: true, keep: true, quantizer: true, qualityRows: true, dir: true, device: true },
    sample: { rows: true, bytes: true, splits: true, seed: true },
  });
  const { keep = false, sample = {}, quantizer, qualityRows = 2048, dir = 'quantizer', device = 'auto' } = options;
  const fields = fieldsOf(options);
  requireDevice(device);
  if (fields.length === 0) {
    throw new PipelineError('quantize is asked for nothing', { code: 'BAD_OPTION', hint: "such as { to: 'int8' }" });
  }
  requireWhole('qualityRows', qualityRows, 0, MOST_QUALITY_ROWS);
  const { rows = 16_384, bytes = 64 << 20, splits = 8, seed = 0 } = sample;
  requireWhole('sample.rows', rows, 1, 2 ** 24);
  requireWhole('sample.bytes', bytes, 4096, 2 ** 32);
  requireWhole('sample.splits', splits, 1, Number.MAX_SAFE_INTEGER);
  requireWhole('sample.seed', seed, 0, 2 ** 32 - 1);
  return {
    fields,
    keep,
    sample: { rows, bytes, splits, seed },
    quantizer: quantizer === undefined ? undefined : path.resolve(quantizer),
    qualityRows,
    dir: checkedFolder(dir),
    device,
  };
}

function fieldsOf({ to, signals = {} }: QuantizeOptions): FieldSettings[] {
  const asked: Partial<Record<QuantizedFieldName, To>> = {
    ...signals,
    ...(to === undefined ? {} : { embeddings: to }),
  };
  const known: readonly string[] = QUANTIZED_FIELDS;
  const unknown = Object.keys(asked).find((name) => !known.includes(name));
  if (unknown !== undefined || Object.hasOwn(signals, 'embeddings')) {
    throw new PipelineError(`quantize knows no signal '${unknown ?? 'embeddings'}'`, {
      code: 'BAD_OPTION',
      hint: `signals are ${known.slice(1).join(', ')}; embeddings become what 'to' says`,
    });
  }
  return QUANTIZED_FIELDS.flatMap((field) => {
    const given = asked[field];
    if (given === undefined) return [];
    const chain = resolveChain(given);
    return [{ field, chain, trains: needsTraining(chain) }];
  });
}

function requireDevice(device: string): void {
  if (device === 'auto' || isDevice(device)) return;
  throw new PipelineError(`quantize: there is no device ${JSON.stringify(device)}`, {
    code: 'BAD_OPTION',
    hint: 'auto, cpu, webgpu, or webgpu:<part of an adapter name>',
  });
}

function requireWhole(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new PipelineError(`quantize: ${name} is ${value}`, {
    code: 'BAD_OPTION',
    hint: `a whole number, ${least} to ${most}`,
  });
}

/** Names of what a run writes, and of the stage that trains. */
export const filesOf = ({ dir }: Pick<QuantizeSettings, 'dir'>) => ({
  training: `${dir}/train`,
  quantizer: `${dir}/quantizer.safetensors`,
  quality: `${dir}/quality.json`,
});
