import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { PipelineError, SourceError } from '../../errors.ts';
import { fileChunks } from '../../formats/fileChunks.ts';
import type { JsonValue } from '../../json.ts';
import { Reservoir, streamKey } from '../../quantization/sample/reservoir.ts';

/** Tokens of one window: BOS and bytes. */
export const WINDOW_TOKENS = 1024;
const WINDOW_BYTES = WINDOW_TOKENS - 1;
/** Default of `tokens`. */
export const CALIBRATION_TOKENS = 16_384;
/** One window of so many, at the end of each file, is held back. */
const HELD_BACK = 4;
/** A number of a window is kept in two float32 numbers, both exact. */
const PART = 2 ** 24;

export interface CalibrationOptions {
  /** Tokens to calibrate on, and as many held back. Default: 16,384. At least 1,024. */
  readonly tokens?: number | undefined;
  /** Default: 0. */
  readonly seed?: number | undefined;
}

/** Text to calibrate on, and text of the same files that is left alone. */
export interface CalibrationText {
  /** Of at most 1,023 bytes each. */
  readonly windows: readonly Uint8Array[];
  /** None where the files are too short: see {@link drawText}. */
  readonly heldBack: readonly Uint8Array[];
  /** What was drawn, for `config.json`: equal records mean equal text. */
  readonly record: Readonly<Record<string, JsonValue>>;
}

interface TextFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Windows before those that are held back, and all of them. */
  readonly calibrated: number;
  readonly windows: number;
}

/**
 * Draws windows of 1,023 bytes from files, each with the same chance: a seeded reservoir over the first three quarters of
 * each file to calibrate on, and another over the last quarter, which is held back. What is left over at the end of a file
 * is no window, unless the file is shorter than one; a file of fewer than four windows has nothing to hold back. Files are
 * read once in pieces of a mebibyte to name their content; only windows that were drawn are kept.
 *
 * @throws PipelineError `BAD_OPTION` for fewer than 1,024 tokens, or a seed that is no whole number
 * @throws SourceError `NOTHING_TO_READ` for a file that is empty, is none, or cannot be read
 */
export async function drawText(paths: readonly string[], options: CalibrationOptions = {}): Promise<CalibrationText> {
  const { tokens = CALIBRATION_TOKENS, seed = 0 } = options;
  if (!Number.isSafeInteger(tokens) || tokens < WINDOW_TOKENS) {
    throw new PipelineError(`${tokens} tokens to calibrate on are not possible.`, {
      code: 'BAD_OPTION',
      hint: `A whole number from ${WINDOW_TOKENS} on.`,
    });
  }
  if (!Number.isSafeInteger(seed)) {
    throw new PipelineError(`The seed ${seed} is no whole number.`, {
      code: 'BAD_OPTION',
      hint: 'such as 0, the default',
    });
  }
  const most = Math.floor(tokens / WINDOW_TOKENS);
  const files: TextFile[] = [];
  for (const path of paths) files.push(await describe(path));
  const windows = await drawn(files, most, streamKey(seed, 'calibrate'), ({ calibrated }) => [0, calibrated]);
  const heldBack = await drawn(files, most, streamKey(seed, 'held back'), (file) => [file.calibrated, file.windows]);
  return {
    windows,
    heldBack,
    record: {
      files: files.map(({ bytes, sha256 }) => ({ bytes, sha256 })),
      seed,
      tokens: windows.reduce((sum, window) => sum + window.length + 1, 0),
      window_bytes: WINDOW_BYTES,
      windows: windows.length,
      held_back_share: 1 / HELD_BACK,
    },
  };
}

async function describe(path: string): Promise<TextFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    if ((await stat(path)).isDirectory()) throw nothing(`${path} is a folder, no file of text`, path);
    for await (const chunk of fileChunks(path)) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (cause) {
    throw cause instanceof SourceError
      ? cause
      : nothing(`${path} cannot be read: ${(cause as Error).message}`, path, cause);
  }
  if (bytes === 0) throw nothing(`${path} is empty: there is no text in it`, path);
  const windows = Math.max(1, Math.floor(bytes / WINDOW_BYTES));
  return { path, bytes, sha256: hash.digest('hex'), windows, calibrated: windows - Math.floor(windows / HELD_BACK) };
}

function nothing(what: string, path: string, cause?: unknown): SourceError {
  return new SourceError(`${what}.`, {
    code: 'NOTHING_TO_READ',
    path,
    cause,
    hint: 'Give files of the kind that will be patched, some 100 KB in all.',
  });
}

/** Windows in the order of the files and of their places. */
async function drawn(
  files: readonly TextFile[],
  most: number,
  key: number,
  range: (file: TextFile) => readonly [first: number, end: number],
): Promise<Uint8Array[]> {
  const reservoir = new Reservoir(3, most, key);
  const place = new Float32Array(3);
  for (const [index, file] of files.entries()) {
    const [first, end] = range(file);
    for (let window = first; window < end; window++) {
      place.set([index, Math.floor(window / PART), window % PART]);
      reservoir.add(place);
    }
  }
  const { rows } = reservoir.drawn();
  const places = Array.from({ length: rows.length / 3 }, (_, i) => ({
    file: rows[3 * i] ?? 0,
    window: (rows[3 * i + 1] ?? 0) * PART + (rows[3 * i + 2] ?? 0),
  })).sort((a, b) => a.file - b.file || a.window - b.window);
  const windows: Uint8Array[] = [];
  for (const { file, window } of places) windows.push(await windowOf(files[file], window));
  return windows;
}

async function windowOf(file: TextFile | undefined, window: number): Promise<Uint8Array> {
  const { path, bytes } = file ?? { path: '', bytes: 0 };
  const handle = await open(path, 'r');
  try {
    const target = new Uint8Array(Math.min(WINDOW_BYTES, bytes - window * WINDOW_BYTES));
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await handle.read(target, done, target.length - done, window * WINDOW_BYTES + done);
      if (bytesRead === 0) throw nothing(`${path} became shorter while it was read`, path);
      done += bytesRead;
    }
    return target;
  } finally {
    await handle.close();
  }
}
