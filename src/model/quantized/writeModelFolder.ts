import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { OutputError } from '../../errors.ts';
import { canonicalJson, type JsonValue } from '../../json.ts';
import { CALIBRATION_FILE, thresholdFields } from '../calibration.ts';
import { configArgs } from '../config.ts';
import { isGguf, type ModelFile } from '../modelFile.ts';
import type { Quantization } from './quantization.ts';

/** What every model folder that is made of another model has. */
export interface FolderOptions {
  /** What `config.json` says of the weights; nothing where they say it themselves. */
  readonly quantization?: Quantization | undefined;
  /** Takes the place of a model folder that is there. Default: false. */
  readonly replace?: boolean | undefined;
}

/**
 * Makes a model folder: `config.json` of the model it is made of, with the member `quantization` put into it; its
 * thresholds, so that `auto` stays what it was; and the weights, which `write` puts there. The folder is filled under
 * another name beside `target` and renamed once all of it is on the disk: what is called `target` is always whole.
 *
 * @throws OutputError `EXISTS` where `target` is there, and is no empty folder or must not be replaced; what `write` throws
 */
export async function writeModelFolder<R>(
  target: string,
  source: ModelFile,
  options: FolderOptions,
  write: (folder: string) => Promise<R>,
): Promise<R> {
  const folder = resolve(target);
  await requireFree(folder, options.replace ?? false);
  const id = randomUUID();
  const temporary = `${folder}.${id}.tmp`;
  try {
    await mkdir(temporary, { recursive: true });
    const written = await write(temporary);
    await writeWhole(join(temporary, 'config.json'), await configOf(source, options.quantization));
    await copyThresholds(source, temporary);
    await takePlace(temporary, folder, `${folder}.${id}.old`);
    return written;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

async function requireFree(folder: string, replace: boolean): Promise<void> {
  if (!existsSync(folder)) return;
  const members = await readdir(folder).catch(() => undefined);
  if (members?.length === 0 || (replace && members?.includes('config.json'))) return;
  throw new OutputError(`${folder} is there already${replace ? ', and is no model folder' : ''}.`, {
    code: 'EXISTS',
    path: folder,
    hint: 'Give the name of a folder that is not there.',
  });
}

/** Renames; what is there is moved away before and removed after. */
async function takePlace(temporary: string, folder: string, old: string): Promise<void> {
  const isThere = existsSync(folder);
  const isEmpty = isThere && (await readdir(folder)).length === 0;
  if (isEmpty) await rmdir(folder);
  else if (isThere) await rename(folder, old);
  try {
    await rename(temporary, folder);
  } catch (error) {
    if (isThere && !isEmpty) await rename(old, folder);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}

async function configOf({ path, config }: ModelFile, quantization: Quantization | undefined): Promise<string> {
  const members: Record<string, JsonValue> = isGguf(path)
    ? { args: configArgs(config) }
    : JSON.parse(await readFile(join(path, 'config.json'), 'utf8'));
  const { quantization: _, ...kept } = members;
  return `${canonicalJson(quantization === undefined ? kept : { ...kept, quantization }, 2)}\n`;
}

async function copyThresholds(source: ModelFile, folder: string): Promise<void> {
  const { path, autoThreshold, modalityThresholds } = source;
  const known = join(path, CALIBRATION_FILE);
  const file = join(folder, CALIBRATION_FILE);
  if (!isGguf(path) && existsSync(known)) return writeWhole(file, await readFile(known));
  if (autoThreshold === undefined) return;
  await writeWhole(file, `${canonicalJson(thresholdFields(autoThreshold, modalityThresholds), 2)}\n`);
}

async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}
