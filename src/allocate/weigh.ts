import { SluiceError } from '../errors.ts';
import { rowsOf, type TableFile } from '../export/tableFiles.ts';
import { requireFinite } from '../layouts/layout.ts';
import { allocate } from './allocate.ts';
import { type Axes, principalAxes } from './axes.ts';
import type { AllocateSettings } from './options.ts';

/** Rows whose directions decide the axes: runs of rows, spread over all of them. */
const SAMPLE_ROWS = 2048;
const SAMPLE_RUNS = 32;

/** Bytes held for each patch while radii are found: two float32 signals, sorted weights, radius, shell. */
export const WEIGH_BYTES = 24;

/** Bytes held for the sample: its rows, and as doubles. */
export function sampleHolds(dim: number): number {
  return 3 * 4 * SAMPLE_ROWS * dim + (1 << 20);
}

export interface Weighed {
  /** f32[P]. */
  readonly radii: Float32Array;
  /** u16[P]. */
  readonly shells: Uint16Array;
  readonly axes: Axes;
}

/**
 * Radii of all patches of some files together, and the axes they are seen along.
 * @throws SluiceError `NO_SIGNALS` where a file lacks what the method needs, `BAD_VALUE` with file and row; PipelineError
 *   `MIXED_DIMS`
 */
export async function weighed(
  files: readonly TableFile[],
  settings: AllocateSettings,
  signal: AbortSignal,
): Promise<Weighed> {
  const patches = files.reduce((sum, file) => sum + file.patches, 0);
  const needsEntropy = settings.method === 'entropy';
  const prominence = new Float32Array(patches);
  const entropy = needsEntropy ? new Float32Array(patches) : undefined;
  let at = 0;
  for (const file of files) {
    const columns = needsEntropy ? (['prominence', 'entropy'] as const) : (['prominence'] as const);
    for await (const rows of rowsOf([file], { columns, rowBytes: 8 << 20 })) {
      signal.throwIfAborted();
      const { first } = rows;
      if (rows.prominence === undefined) throw lacking(file, 'prominence');
      requireFinite(file.path, 'prominence', rows.prominence, first, 0);
      prominence.set(rows.prominence, at);
      if (entropy !== undefined) {
        if (rows.entropy === undefined) throw lacking(file, 'entropy');
        requireFinite(file.path, 'entropy', rows.entropy, first);
        entropy.set(rows.entropy, at);
      }
      at += rows.patches;
    }
  }
  const { temperature, level, ...rest } = settings;
  const options = {
    ...rest,
    ...(settings.method === 'osmotic' ? {} : { temperature }),
    ...(settings.method === 'entropy' ? { level } : {}),
  };
  return { ...allocate(prominence, entropy, options), axes: await sampledAxes(files, patches, signal) };
}

function lacking({ path }: TableFile, what: string): SluiceError {
  return new SluiceError(`'${path}' holds no ${what} of its patches`, {
    code: 'NO_SIGNALS',
    path,
    hint:
      what === 'entropy' ? 'the methods osmotic and energy need none' : 'docs/layouts.md says which layouts hold it',
  });
}

async function sampledAxes(files: readonly TableFile[], patches: number, signal: AbortSignal): Promise<Axes> {
  const dim = files[0]?.dim ?? 0;
  const run = Math.ceil(SAMPLE_ROWS / SAMPLE_RUNS);
  const runs = patches <= SAMPLE_ROWS ? 1 : SAMPLE_RUNS;
  const length = runs === 1 ? patches : run;
  const sample = new Float32Array(runs * length * dim);
  let at = 0;
  for (let i = 0; i < runs && dim > 0; i++) {
    const from = runs === 1 ? 0 : Math.floor((i * (patches - length)) / (runs - 1));
    for await (const rows of rowsOf(files, { from, to: from + length, columns: ['embeddings'] })) {
      signal.throwIfAborted();
      if (rows.embeddings === undefined) continue;
      sample.set(rows.embeddings, at);
      at += rows.embeddings.length;
    }
  }
  return principalAxes(sample.subarray(0, at), dim);
}
