import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseSafetensorsHeader } from '../../../src/formats/safetensors/read.ts';

/** The tensors of every shard of an output, as their bytes by name. */
export async function readSafetensors(output: string): Promise<Record<string, Uint8Array>[]> {
  const names = (await readdir(path.join(output, 'shards'))).filter((name) => /-\d+\.safetensors$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(path.join(output, 'shards', name));
      const { tensors } = parseSafetensorsHeader(bytes, bytes.length);
      return Object.fromEntries(
        [...tensors.values()].map(({ name: tensor, offset, length }) => [
          tensor,
          new Uint8Array(bytes.subarray(offset, offset + length)),
        ]),
      );
    }),
  );
}
