/**
 * Unpacks the software Vulkan adapter of the development packages into a folder, and prints what a shell has to set so
 * that programs find it: `eval "$(node bootstrap.mjs tools/softwareAdapter.ts out/vulkan)"`. Linux on x64 only.
 */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { swiftshader } from '../test/support/swiftshader.ts';

const [folder = 'out/vulkan'] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const { env } = await swiftshader(resolve(folder));
for (const [name, value] of Object.entries(env)) console.log(`export ${name}='${value}'`);
