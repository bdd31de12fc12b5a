import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from '../errors.ts';
import { canonicalJson, type JsonValue } from '../json.ts';
import { MODALITIES, type Modality } from '../records.ts';
import type { EntropyModel } from './model.ts';
import type { AutoThresholds, ModalityThresholds } from './thresholds.ts';

/** Mean patch length of the released BLT models. */
export const TARGET_PATCH_BYTES = 4.5;
export const CALIBRATION_FILE = 'calibration.json';

/** The threshold of the global rule that gives patches of a wanted mean length. */
export interface Calibration {
  /** Nats; exactly a float32. */
  readonly threshold: number;
  /** Mean patch length aimed at. */
  readonly targetPatchBytes: number;
  /** Mean patch length that the threshold gives on the sample. */
  readonly meanPatchBytes: number;
  readonly sampleBytes: number;
}

/** Reads `calibration.json` of a model folder; no thresholds where there is none. Throws ModelError where it is malformed. */
export async function readThresholds(dir: string): Promise<AutoThresholds> {
  const value = await readCalibration(dir);
  if (value === undefined) return { autoThreshold: undefined, modalityThresholds: {} };
  const path = join(dir, CALIBRATION_FILE);
  const modalities = member(value, 'modalities') ?? {};
  const own: Partial<Record<Modality, number>> = {};
  for (const modality of MODALITIES) {
    const entry = member(modalities, modality);
    if (entry !== undefined) own[modality] = requireThreshold(entry, path, `of ${modality} `);
  }
  return { autoThreshold: requireThreshold(value, path, ''), modalityThresholds: own };
}

async function readCalibration(dir: string): Promise<unknown> {
  const path = join(dir, CALIBRATION_FILE);
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    const what = cause instanceof SyntaxError ? 'is not valid JSON' : 'cannot be read';
    throw new ModelError(`${path} ${what}.`, { code: 'MODEL_CALIBRATION', path, cause });
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function requireThreshold(value: unknown, path: string, of: string): number {
  const threshold = member(value, 'auto_threshold');
  if (typeof threshold === 'number' && Number.isFinite(threshold)) return Math.fround(threshold);
  throw new ModelError(`${path} ${of}has no number "auto_threshold".`, { code: 'MODEL_CALIBRATION', path });
}

/** Writes `calibration.json` anew, so that `threshold: 'auto'` works with this model. */
export async function writeCalibration(dir: string, calibration: Calibration): Promise<void> {
  await write(dir, fieldsOf(calibration));
}

/**
 * Gives modalities thresholds of their own in `calibration.json`; everything else there stays. Where there is none, the general
 * threshold becomes that of text, or of the first modality. Throws ModelError where it is malformed.
 */
export async function calibrateModalities(
  dir: string,
  found: Readonly<Partial<Record<Modality, Calibration>>>,
): Promise<void> {
  const [first] = Object.values(found);
  if (first === undefined) return;
  await readThresholds(dir);
  const before = (await readCalibration(dir)) ?? fieldsOf(found.text ?? first);
  const modalities: Record<string, JsonValue> = { ...(member(before, 'modalities') as Record<string, JsonValue>) };
  for (const [modality, one] of Object.entries(found)) modalities[modality] = fieldsOf(one);
  await write(dir, { ...(before as Record<string, JsonValue>), modalities });
}

/** What `calibration.json` says where nothing but thresholds is known. */
export function thresholdFields(autoThreshold: number, modalityThresholds: ModalityThresholds): JsonValue {
  const modalities = Object.entries(modalityThresholds).map(([name, value]) => [name, { auto_threshold: value }]);
  return { auto_threshold: autoThreshold, modalities: Object.fromEntries(modalities) };
}

async function write(dir: string, fields: Readonly<Record<string, JsonValue>>): Promise<void> {
  await writeFile(join(dir, CALIBRATION_FILE), `${canonicalJson(fields, 2)}\n`);
}

const fieldsOf = ({ threshold, targetPatchBytes, meanPatchBytes, sampleBytes }: Calibration) => ({
  auto_threshold: threshold,
  target_patch_bytes: targetPatchBytes,
  mean_patch_bytes: meanPatchBytes,
  sample_bytes: sampleBytes,
});

/**
 * The float32 threshold that cuts `samples` into patches of about `targetPatchBytes` bytes. Each sample is a document
 * of its own. Throws ModelError `CALIBRATION_SAMPLE` where there is too little text to say.
 */
export async function calibrate(
  model: EntropyModel,
  samples: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  targetPatchBytes = TARGET_PATCH_BYTES,
): Promise<Calibration> {
  const decisions: Float32Array[] = [];
  let documents = 0;
  let sampleBytes = 0;
  for await (const sample of samples) {
    if (sample.length === 0) continue;
    documents++;
    sampleBytes += sample.length;
    for await (const piece of model.encode(sample)) {
      // the first byte of a document starts a patch whatever its entropy
      decisions.push(piece.offset === 0 ? piece.entropies.slice(1) : piece.entropies);
    }
  }
  const sorted = new Float32Array(sampleBytes - documents);
  let at = 0;
  for (const part of decisions) {
    sorted.set(part, at);
    at += part.length;
  }
  sorted.sort().reverse();
  const starts = Math.round(sampleBytes / targetPatchBytes) - documents;
  const threshold = sorted[Math.max(0, starts)];
  if (threshold === undefined || starts < 1) {
    throw new ModelError(
      `A sample of ${sampleBytes} bytes in ${documents} documents cannot show where patches of ${targetPatchBytes} bytes begin.`,
      { code: 'CALIBRATION_SAMPLE', hint: 'Give longer documents, some 100 KB of the kind of data you have.' },
    );
  }
  const patches = documents + sorted.findIndex((entropy) => entropy <= threshold);
  return { threshold, targetPatchBytes, meanPatchBytes: sampleBytes / patches, sampleBytes };
}

/** A number as it is, rounded to float32; `'auto'` as the model's own. Throws ModelError `NO_CALIBRATION`. */
export function resolveThreshold(
  model: Pick<EntropyModel, 'autoThreshold'> & { readonly dir?: string },
  threshold: number | 'auto',
): number {
  if (threshold !== 'auto') return Math.fround(threshold);
  if (model.autoThreshold !== undefined) return model.autoThreshold;
  throw new ModelError('This model has no calibrated threshold, so threshold "auto" means nothing.', {
    code: 'NO_CALIBRATION',
    path: model.dir,
    hint: `Give a number in nats (the released BLT models use 1.335442066192627), or put a ${CALIBRATION_FILE} into the model folder (calibrate, writeCalibration).`,
  });
}
