import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { constants, tmpdir } from 'node:os';
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
 * @param target folder that is there; a temporary one otherwise
 */
export async function swiftshader(target?: string): Promise<SoftwareAdapter> {
  if (process.platform !== 'linux') return { env: {}, async remove() {} };
  const folder = target ?? (await mkdtemp(path.join(tmpdir(), 'sluice-vulkan-')));
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

const RTLD_NODELETE = 0x1000;

/**
 * Lets this very process find the software adapter. The library stays loaded, so its files may be removed when the process
 * ends; environment variables that are set here reach it only from a main thread.
 */
export async function useSwiftshader(): Promise<void> {
  const { env, remove } = await swiftshader();
  const { LD_LIBRARY_PATH: folder, VK_DRIVER_FILES: driver } = env;
  if (folder === undefined || driver === undefined) return;
  process.env['VK_DRIVER_FILES'] = driver;
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  try {
    process.dlopen({ exports: {} }, path.join(folder, 'libvulkan.so.1'), constants.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch (error) {
    // it is no module of Node; what matters is that it is loaded
    if (!String(error).includes('did not self-register')) {
      await remove();
      throw error;
    }
  }
}
