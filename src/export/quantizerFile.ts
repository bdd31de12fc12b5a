import { createHash } from 'node:crypto';
import path from 'node:path';
import { PipelineError } from '../errors.ts';
import { fileChunks } from '../formats/fileChunks.ts';
import { quantizationText } from '../quantization/fieldTensors.ts';
import type { Quantizer } from '../quantization/quantizer.ts';
import { QUANTIZER_FORMAT, quantizerChunks } from '../quantization/quantizerFile.ts';
import type { Patches, QuantizedField } from '../records.ts';
import type { JobStage } from '../run/jobStage.ts';
import { artefactsOf } from '../sinks/gatherFiles.ts';
import type { Sink } from '../sinks/sink.ts';

const FOLDER = 'quantizer';
/** Where readers of an output look for what its schemes have learned. */
const FILE = `${FOLDER}/quantizer.safetensors`;

/** Bytes of what was learned, a few times. */
const HOLDS = 128 << 20;

/** Fields by the quantizer of the first of them that has learned something: a flow has the same ones in all its values. */
const named = new WeakMap<Quantizer, readonly Pick<QuantizedField, 'field' | 'quantizer'>[]>();

/**
 * Has what was learned be named by the file that {@link quantizerFile} writes, for sinks whose files are too many to hold it
 * each.
 */
export function withQuantizerFile(value: Patches): Patches {
  const { quantized = [] } = value;
  const trained = quantized.filter(({ quantizer }) => quantizer.trained.length > 0);
  const first = trained[0]?.quantizer;
  if (first === undefined) return value;
  let fields = named.get(first);
  if (fields === undefined || !trained.every(({ field }, i) => fields?.[i]?.field === field)) {
    const hash = createHash('sha256');
    for (const chunk of chunksOf(trained)) hash.update(chunk);
    const file = { path: FILE, sha256: hash.digest('hex') };
    fields = trained.map(({ field, quantizer }) => ({ field, quantizer: { ...quantizer, file } }));
    named.set(first, fields);
  }
  const of = fields;
  return {
    ...value,
    quantized: quantized.map((one) => ({ ...one, ...of.find(({ field }) => field === one.field) })),
  };
}

function chunksOf(fields: readonly Pick<QuantizedField, 'field' | 'quantizer'>[]): Uint8Array[] {
  return quantizerChunks(new Map(fields.map(({ field, quantizer }) => [field, quantizer])));
}

/**
 * Writes what the schemes of an export have learned, `quantizer/quantizer.safetensors`; nothing where they have learned nothing.
 * The flow fails with PipelineError `MIXED_QUANTIZERS` where its values were quantized in several ways.
 */
export function quantizerFile(): Sink<Patches> {
  return {
    kind: 'quantizer',
    options: null,
    holds: HOLDS,
    after: [gatherStage()],
    async open({ split, file }) {
      let fields: readonly QuantizedField[] | undefined;
      let text = '';
      return {
        write({ quantized = [], segment }) {
          if (fields !== undefined && isSame(fields, quantized)) return;
          const other = textOf(quantized);
          if (fields !== undefined && other !== text) throw mixed(segment.document.source.uri);
          fields = quantized;
          text = other;
        },
        async finish() {
          const trained = (fields ?? []).filter(({ quantizer }) => quantizer.trained.length > 0);
          const sha256 = trained[0]?.quantizer.file?.sha256;
          if (sha256 === undefined) return {};
          const out = await file(`${FOLDER}/${split.id}.safetensors`);
          for (const chunk of chunksOf(trained)) await out.write(chunk);
          await out.publish({ format: QUANTIZER_FORMAT, quantizer: sha256, temporary: true });
          return {};
        },
      };
    },
  };
}

function isSame(a: readonly QuantizedField[], b: readonly QuantizedField[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ field, quantizer }, i) => {
      return b[i]?.field === field && b[i]?.quantizer === quantizer;
    })
  );
}

function textOf(quantized: readonly QuantizedField[]): string {
  return quantizationText(
    quantized.map(({ field, quantizer: { chain, columns, file } }) => ({ field, chain, columns, file })),
  );
}

function gatherStage(): JobStage {
  return {
    name: `${FOLDER}/gather`,
    holds: 4 << 20,
    files: [FILE],
    tasks: async () => ['0'],
    async run(context) {
      const [first, ...others] = artefactsOf(context, FOLDER, QUANTIZER_FORMAT);
      if (first === undefined) return {};
      const other = others.find(({ sha256 }) => sha256 !== first.sha256);
      if (other !== undefined) throw mixed(`split ${path.posix.basename(other.path, '.safetensors')}`);
      const out = await context.file(FILE);
      for await (const chunk of fileChunks(path.join(context.root, first.path))) await out.write(chunk);
      await out.publish({ format: QUANTIZER_FORMAT });
      return {};
    },
  };
}

function mixed(where: string): PipelineError {
  return new PipelineError(`the patches of ${where} are quantized in another way than those before them`, {
    code: 'MIXED_QUANTIZERS',
    hint: 'export what was quantized in different ways apart, or without --as-stored',
  });
}
