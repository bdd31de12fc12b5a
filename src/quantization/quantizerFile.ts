import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { SluiceError } from '../errors.ts';
import { float32From, littleEndianBytes } from '../formats/littleEndian.ts';
import { parseSafetensorsHeader, type SafetensorsHeader } from '../formats/safetensors/read.ts';
import { safetensorsChunks, type TensorData } from '../formats/safetensors/write.ts';
import { canonicalJson, type JsonValue } from '../json.ts';
import { type Chain, resolveChain } from './chain.ts';
import { openQuantizer, type Quantizer } from './quantizer.ts';
import type { TrainedTensor } from './scheme.ts';
import type { SchemeSpec } from './schemes.ts';

export const QUANTIZER_FORMAT = 'sluice_quantizer_v1';

/** More than the codebooks and components of any field take. */
const MOST_BYTES = 1 << 30;

/** Quantizers by field, as {@link quantizerChunks} writes them. */
export type Quantizers = ReadonlyMap<string, Quantizer>;

/**
 * Quantizers as a safetensors file, chunk by chunk: of each field the tensors `<field>.<scheme>.<name>` that it has learned,
 * and in `__metadata__` `format` = `sluice_quantizer_v1` and `quantization`, by field its chain and columns.
 *
 * @param facts further entries of `__metadata__`, such as what it was trained on
 */
export function quantizerChunks(quantizers: Quantizers, facts: Readonly<Record<string, string>> = {}): Uint8Array[] {
  const tensors = [...quantizers].flatMap(([field, { trained }]) =>
    trained.map(
      ({ name, shape, values }): TensorData => ({
        name: `${field}.${name}`,
        dtype: 'F32',
        shape,
        chunks: [littleEndianBytes(values)],
      }),
    ),
  );
  const described = [...quantizers].map(([field, { chain, columns }]) => [
    field,
    { columns, chain: chain.map(({ scheme, options }) => ({ scheme, options })) },
  ]);
  const quantization = canonicalJson(Object.fromEntries(described) as JsonValue);
  return [...safetensorsChunks(tensors, { ...facts, format: QUANTIZER_FORMAT, quantization })];
}

/** Writes {@link quantizerChunks} to a file, for `quantize({ quantizer })` and {@link readQuantizers}. */
export async function writeQuantizers(path: string, quantizers: Quantizers): Promise<void> {
  await writeFile(path, quantizerChunks(quantizers));
}

/**
 * Reads quantizers that were trained before.
 *
 *     const { quantizers } = await readQuantizers('out/quantizer/quantizer.safetensors');
 *     quantizers.get('embeddings')?.decode(parts);
 *
 * @throws SluiceError `QUANTIZER_FILE` where it is none, `QUANTIZER_TENSOR` where tensors are missing or misshapen, and
 *   `SAFETENSORS_*`
 */
export async function readQuantizers(
  path: string,
): Promise<{ readonly quantizers: Quantizers; readonly sha256: string; readonly bytes: Uint8Array }> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw badFile(path, `it cannot be read (${cause.code ?? cause.message})`, cause);
  });
  if (bytes.length > MOST_BYTES) throw badFile(path, `it has ${bytes.length} bytes`);
  const header = parseSafetensorsHeader(bytes, bytes.length, path);
  const { format, quantization = '' } = header.metadata;
  if (format !== QUANTIZER_FORMAT) throw badFile(path, `its format is '${format}'`);
  const quantizers = new Map<string, Quantizer>();
  for (const [field, described] of describedFields(quantization, path)) {
    const trained = trainedTensors(field, header, bytes);
    quantizers.set(field, openQuantizer(described.chain, described.columns, trained));
  }
  return { quantizers, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

function trainedTensors(field: string, header: SafetensorsHeader, bytes: Uint8Array): TrainedTensor[] {
  return [...header.tensors.values()].flatMap(({ name, dtype, shape, offset, length }) =>
    dtype === 'F32' && name.startsWith(`${field}.`)
      ? { name: name.slice(field.length + 1), shape, values: float32From(bytes.subarray(offset, offset + length)) }
      : [],
  );
}

function describedFields(text: string, path: string): [string, { chain: Chain; columns: number }][] {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch (cause) {
    throw badFile(path, 'what it says of its quantization is no JSON', cause);
  }
  if (typeof said !== 'object' || said === null) throw badFile(path, 'it does not say what it quantizes');
  return Object.entries(said).map(([field, described]: [string, { chain?: unknown; columns?: unknown } | null]) => {
    const { chain, columns } = described ?? {};
    if (!Array.isArray(chain) || typeof columns !== 'number' || !Number.isSafeInteger(columns) || columns < 1) {
      throw badFile(path, `what it says of '${field}' is no chain of schemes`);
    }
    const specs = chain.map((link) => ({ scheme: link?.scheme, ...link?.options }) as SchemeSpec);
    return [field, { chain: resolveChain(specs), columns }];
  });
}

function badFile(path: string, what: string, cause?: unknown): SluiceError {
  return new SluiceError(`${path} is no quantizer: ${what}`, {
    code: 'QUANTIZER_FILE',
    path,
    cause,
    hint: 'a run with a scheme that learns writes one, quantizer/quantizer.safetensors; so does writeQuantizers',
  });
}
