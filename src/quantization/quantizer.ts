import { SluiceError } from '../errors.ts';
import { float32From, littleEndianBytes } from '../formats/littleEndian.ts';
import type { Chain } from './chain.ts';
import type { Coder, Encoded, Part, TrainedTensor, TrainingSample, Transform } from './scheme.ts';
import { schemeOf } from './schemes.ts';

/** A chain of schemes with everything it has learned, ready for rows of so many columns. */
export interface Quantizer extends Coder {
  readonly chain: Chain;
  readonly columns: number;
  /** What it has learned, under the names `<scheme>.<tensor>`; empty for most. */
  readonly trained: readonly TrainedTensor[];
  /**
   * File of the run that holds what it has learned, relative to the output folder, and the SHA-256 of its bytes in lower-case
   * hex: what files that hold a single document name instead. Set by the run; absent where nothing was learned.
   */
  readonly file?: { readonly path: string; readonly sha256: string } | undefined;
}

/** Whether a chain has to learn from a sample before it can be used. */
export function needsTraining(chain: Chain): boolean {
  return chain.some(({ scheme: name, options }) => {
    const scheme = schemeOf(name);
    return scheme.learns?.(options) ?? scheme.train !== undefined;
  });
}

/**
 * Opens a chain for rows of so many columns.
 *
 *     const quantizer = openQuantizer(resolveChain('int8'), 128);
 *     const [codes, scales] = quantizer.encode(rows);
 *
 * @param trained what {@link trainQuantizer} gave, or a file holds
 * @throws PipelineError `BAD_OPTION` where the schemes do not suit the columns
 * @throws SluiceError `QUANTIZER_TENSOR` where something learned is missing or misshapen, or holds what is no finite number
 */
export function openQuantizer(chain: Chain, columns: number, trained: readonly TrainedTensor[] = []): Quantizer {
  const transforms: Transform[] = [];
  let coder: Coder | undefined;
  let given = columns;
  const used: TrainedTensor[] = [];
  for (const { scheme: name, options } of chain) {
    const scheme = schemeOf(name);
    const own = scheme.tensors(options, given).map((wanted) => tensorOf(name, wanted, trained));
    used.push(...own.map((tensor) => ({ ...tensor, name: `${name}.${tensor.name}` })));
    if (scheme.kind === 'coder') coder = scheme.open(options, given, own);
    else {
      const transform = scheme.open(options, given, own);
      transforms.push(transform);
      given = transform.outputs;
    }
  }
  const last = coder ?? floatCoder(given);
  return {
    chain,
    columns,
    trained: used,
    parts: last.parts,
    encode: (rows) => last.encode(transforms.reduce((now, transform) => transform.forward(now), rows)),
    decode: (encoded) => transforms.reduceRight((now, transform) => transform.backward(now), last.decode(encoded)),
  };
}

/**
 * Has every scheme of a chain learn from a sample, each from what those before it make of the sample. Slow; a worker's work.
 *
 * @throws SluiceError `QUANTIZE_SAMPLE` where the sample does not suffice
 */
export function trainQuantizer(chain: Chain, sample: TrainingSample): Quantizer {
  const trained: TrainedTensor[] = [];
  let now = sample;
  for (const { scheme: name, options } of chain) {
    const scheme = schemeOf(name);
    const own = scheme.train?.(options, now) ?? [];
    trained.push(...own.map((tensor) => ({ ...tensor, name: `${name}.${tensor.name}` })));
    if (scheme.kind === 'coder') break;
    const transform = scheme.open(options, now.columns, own);
    now = { columns: transform.outputs, rows: transform.forward(now.rows), seed: now.seed };
  }
  return openQuantizer(chain, sample.columns, trained);
}

/** Rows as they are. */
function floatCoder(columns: number): Coder {
  const part: Part = { name: 'values', dtype: 'F32', shape: [columns], rowBytes: 4 * columns };
  return {
    parts: [part],
    encode: (rows): Encoded => [new Uint8Array(littleEndianBytes(rows))],
    decode: ([values = new Uint8Array()]) => float32From(values),
  };
}

function tensorOf(
  scheme: string,
  wanted: Pick<TrainedTensor, 'name' | 'shape'>,
  trained: readonly TrainedTensor[],
): TrainedTensor {
  const name = `${scheme}.${wanted.name}`;
  const found = trained.find((tensor) => tensor.name === name);
  const shape = `[${wanted.shape.join(', ')}]`;
  if (found === undefined) {
    throw new SluiceError(`${scheme} has not learned ${wanted.name}, f32 ${shape}`, {
      code: 'QUANTIZER_TENSOR',
      hint: 'train the quantizer on a sample of rows, or name the file of one that was trained',
    });
  }
  if (found.shape.join() !== wanted.shape.join() || found.values.length !== wanted.shape.reduce((a, b) => a * b, 1)) {
    throw new SluiceError(`${name} is [${found.shape.join(', ')}], and should be ${shape}`, {
      code: 'QUANTIZER_TENSOR',
      hint: 'the quantizer was trained with other options, or on rows of another length',
    });
  }
  const at = found.values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) {
    throw new SluiceError(`${name} holds ${found.values[at]}, number ${at}`, {
      code: 'QUANTIZER_TENSOR',
      hint: 'the file of the quantizer is damaged: train it again',
    });
  }
  return { name: wanted.name, shape: wanted.shape, values: found.values };
}
