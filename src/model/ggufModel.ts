import { ModelError, SluiceError } from '../errors.ts';
import { type GgufHeader, readGgufHeader } from '../formats/gguf/read.ts';
import type { ModelConfig } from './config.ts';
import { fileStamp, realPath } from './fileStamp.ts';
import { ggufFacts } from './ggufMetadata.ts';
import { ggufName } from './ggufNames.ts';
import type { ModelFile } from './modelFile.ts';
import type { Weight } from './weight.ts';
import { expectedShapes } from './weights.ts';

/**
 * Reads a byte entropy model from a GGUF file of architecture `llama`: its configuration and threshold from the metadata,
 * and every tensor's place, by its name in the released layout. The values stay on disk. Every tensor must be there with
 * its exact shape, and none besides.
 *
 *     const { config, weights, autoThreshold } = await readGgufModel('entropy.gguf');
 *     weights.tensors.get('layers.0.attention.wq.weight'); // { dtype: 'Q4_K', shape: [768, 768], offset, length }
 *
 * @throws ModelError `MODEL_MISSING`, `MODEL_FILE`, `MODEL_CONFIG`, `MODEL_UNSUPPORTED` or `MODEL_TENSOR_*`, naming file,
 *   key or tensor
 */
export async function readGgufModel(path: string): Promise<ModelFile> {
  const real = realPath(path);
  const stamp = fileStamp(real);
  const header = await readHeader(path);
  const { config, ...thresholds } = ggufFacts(header.metadata, path);
  // before a list is made of as many layers as the file claims
  if (config.layers > header.tensors.size) {
    throw new ModelError(`${path} claims ${config.layers} layers, but holds ${header.tensors.size} tensors.`, {
      code: 'MODEL_TENSOR_MISSING',
      path,
    });
  }
  const tensors = new Map<string, Weight>();
  const known = new Set<string>();
  let floatBytes = 0;
  for (const [name, shape] of expectedShapes(config)) {
    tensors.set(name, weightOf(header, name, shape, path));
    known.add(ggufName(name));
    floatBytes += shape.reduce((a, b) => a * b, 4);
  }
  refuseOthers(header, known, config, path);
  return { path, config, weights: { path: real, stamp, tensors, floatBytes }, ...thresholds };
}

function weightOf({ tensors }: GgufHeader, name: string, shape: readonly number[], path: string): Weight {
  const found = tensors.get(ggufName(name));
  const wanted = `[${shape.join(', ')}]`;
  if (found === undefined) {
    throw new ModelError(`${path} has no tensor ${ggufName(name)} (${name}); expected shape ${wanted}.`, {
      code: 'MODEL_TENSOR_MISSING',
      path,
      hint: `It holds ${tensors.size} tensors, such as ${[...tensors.keys()].slice(0, 3).join(', ')}.`,
    });
  }
  if (found.shape.length !== shape.length || found.shape.some((size, axis) => size !== shape[axis])) {
    throw new ModelError(
      `Tensor ${found.name} (${name}) in ${path} has the shape [${found.shape.join(', ')}]; expected ${wanted}.`,
      { code: 'MODEL_TENSOR_SHAPE', path, hint: 'Its metadata and its tensors do not belong together.' },
    );
  }
  return { dtype: found.type, shape, offset: found.offset, length: found.length };
}

function refuseOthers({ tensors }: GgufHeader, known: ReadonlySet<string>, config: ModelConfig, path: string): void {
  const unknown = [...tensors.keys()].filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  throw new ModelError(`${path} holds tensors that its metadata does not explain: ${unknown.slice(0, 5).join(', ')}.`, {
    code: 'MODEL_TENSOR_UNKNOWN',
    path,
    hint: `${unknown.length} in all. Does llama.block_count give too few layers (${config.layers})?`,
  });
}

async function readHeader(path: string): Promise<GgufHeader> {
  try {
    return await readGgufHeader(path);
  } catch (cause) {
    if (!(cause instanceof SluiceError)) throw cause;
    const missing = cause.code === 'GGUF_UNREADABLE';
    throw new ModelError(missing ? `There is no model in ${path}: it cannot be read.` : `${path}: ${cause.message}`, {
      code: missing ? 'MODEL_MISSING' : 'MODEL_FILE',
      path,
      cause,
      hint: missing ? 'Give a model folder, or the path of a GGUF file.' : cause.hint,
    });
  }
}
