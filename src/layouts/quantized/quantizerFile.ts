import { createHash } from 'node:crypto';
import { existsSync, readFileSync, type Stats, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { LRUCache } from 'lru-cache';
import { SluiceError } from '../../errors.ts';
import { parseSafetensorsHeader } from '../../formats/safetensors/read.ts';
import type { StoredQuantization } from '../../quantization/fieldTensors.ts';
import { type Learned, learnedFrom, trainedEntries } from './column.ts';

type QuantizerRef = NonNullable<StoredQuantization['file']>;

/** Folders above a file that may be the output folder: shards and archives lie one below it. */
const LEVELS = 3;
/** More than a quantizer of any field takes. */
const MOST_BYTES = 1 << 30;

/** Where the quantizer of a file may be found. */
export interface QuantizerPlace {
  /** The file that refers to it, on this machine; the output folder is above it. */
  readonly near?: string | undefined;
  /** The quantizer file itself, whatever it is called. */
  readonly file?: string | undefined;
}

/**
 * The path of the quantizer that a file refers to.
 * @throws SluiceError `NO_QUANTIZER`
 */
export function quantizerPath({ path: name }: QuantizerRef, { near, file }: QuantizerPlace, from: string): string {
  const places = file === undefined ? above(near).map((folder) => path.join(folder, name)) : [file];
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return found;
  throw new SluiceError(
    file === undefined
      ? `'${from}' was quantized by ${name} of its output, which is not there`
      : `the quantizer '${file}' of '${from}' is not there`,
    {
      code: 'NO_QUANTIZER',
      path: from,
      hint: 'leave files where their run wrote them, or say where its quantizer is: { quantizer }, --quantizer FILE',
    },
  );
}

function above(near: string | undefined): string[] {
  const folders: string[] = [];
  for (let folder = near && path.dirname(path.resolve(near)); folder && folders.length < LEVELS; ) {
    folders.push(folder);
    folder = path.dirname(folder);
  }
  return folders;
}

/** A quantizer file that was read. */
export interface QuantizerContent {
  readonly file: string;
  readonly bytes: Uint8Array;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** Those that were read, by path, size and time: it is read and hashed once for all samples of an archive. */
const contents = new LRUCache<string, QuantizerContent>({ max: 8, maxSize: 256 << 20 });

function keyOf(file: string, stats: Stats): string {
  if (!stats.isFile()) throw noQuantizer(file, 'it is no file');
  if (stats.size > MOST_BYTES) throw noQuantizer(file, `it has ${stats.size} bytes`);
  return `${stats.size} ${stats.mtimeMs} ${file}`;
}

function noQuantizer(file: string, what: string): SluiceError {
  return new SluiceError(`'${file}' is no quantizer: ${what}`, {
    code: 'QUANTIZER_FILE',
    path: file,
    hint: 'give the quantizer/quantizer.safetensors of the run that wrote the file',
  });
}

/** @throws SluiceError as {@link quantizerPath}, `QUANTIZER_FILE` for what is no file, or larger than any */
export async function readQuantizerContent(
  ref: QuantizerRef,
  place: QuantizerPlace,
  from: string,
): Promise<QuantizerContent> {
  const file = quantizerPath(ref, place, from);
  const key = keyOf(file, await stat(file));
  return contents.get(key) ?? kept(key, file, await readFile(file));
}

/** The same without waiting. */
export function readQuantizerContentSync(ref: QuantizerRef, place: QuantizerPlace, from: string): QuantizerContent {
  const file = quantizerPath(ref, place, from);
  const key = keyOf(file, statSync(file));
  return contents.get(key) ?? kept(key, file, readFileSync(file));
}

function kept(key: string, file: string, bytes: Uint8Array): QuantizerContent {
  const content = { file, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
  contents.set(key, content, { size: Math.max(1, bytes.length) });
  return content;
}

/**
 * What the schemes of a field have learned, from a quantizer file.
 * @throws SluiceError `OTHER_QUANTIZER` where it is not the one that is meant, `QUANTIZER_TENSOR`, `SAFETENSORS_*`
 */
export function learnedIn(
  { file, bytes, sha256 }: QuantizerContent,
  stored: StoredQuantization,
  from: string,
): Learned {
  if (sha256 !== stored.file?.sha256) {
    throw new SluiceError(`'${file}' is another quantizer than the one that '${from}' was written with`, {
      code: 'OTHER_QUANTIZER',
      path: from,
      hint: `it has the sha256 ${sha256}, and ${stored.file?.sha256} is meant: give the one of the same run`,
    });
  }
  const header = parseSafetensorsHeader(bytes, bytes.length, file);
  const entries = trainedEntries(stored, header, file);
  const parts = entries.map(({ offset, length }) => bytes.subarray(offset, offset + length));
  return learnedFrom(stored, entries, parts, sha256);
}
