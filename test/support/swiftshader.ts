import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { extract } from 'tar-stream';

const FILES = ['libvulkan.so.1', 'libvk_swiftshader.so', 'vk_swiftshader_icd.json'];

export interface SoftwareAdapter {
  /** Programs with this environment find the adapter and no other. */
  readonly env: Record<string, string>;
  remove(): Promise<void>;
}

/**
 * Unpacks the software Vulkan adapter and the Vulkan loader that @sparticuz/chromium carries for Linux on x64. Other
 * platforms bring their own adapter.
 */
export async function swiftshader(): Promise<SoftwareAdapter> {
  if (process.platform !== 'linux') return { env: {}, async remove() {} };
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-vulkan-'));
  const library = path.dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium'));
  const archive = extract();
  const unpacked = (async () => {
    for await (const entry of archive) {
      const { name } = entry.header;
      if (FILES.includes(name)) await pipeline(entry, createWriteStream(path.join(folder, name)));
      else entry.resume();
    }
  })();
  await pipeline(createReadStream(path.join(library, '../bin/swiftshader.tar.br')), createBrotliDecompress(), archive);
  await unpacked;
  return {
    env: { LD_LIBRARY_PATH: folder, VK_DRIVER_FILES: path.join(folder, 'vk_swiftshader_icd.json') },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
