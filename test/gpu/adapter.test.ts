import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { startScript } from '../support/sluice.ts';
import { type SoftwareAdapter, swiftshader } from '../support/swiftshader.ts';

const SCRIPT = path.join(import.meta.dirname, '../fixtures/gpu/adapters.ts');

let folder: string;
let software: SoftwareAdapter;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-adapters-'));
  software = await swiftshader();
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await software.remove();
});

/** Asks in a process of its own, which sees the Vulkan of its environment and no other. */
async function ask(env: Record<string, string>, ...args: string[]): Promise<unknown> {
  const { stdout, code } = await startScript(SCRIPT, args, { env }).ended;
  expect(code).toBe(0);
  return JSON.parse(stdout);
}

describe('where the only adapter is a program on the CPU', () => {
  const found = 'found: vulkan: SwiftShader Device (Subzero)';

  it('it is taken for software only', async () => {
    const info = await ask(software.env, 'software');
    expect(info).toMatchObject({ software: true, name: expect.stringContaining('SwiftShader') });
  });

  it('it is no hardware', async () => {
    const error = await ask(software.env, 'hardware');
    const message = `There is no GPU that WebGPU can use; ${found}.`;
    expect(error).toMatchObject({ code: 'NO_ADAPTER', message, hint: expect.stringContaining('VK_DRIVER_FILES') });
  });

  it('it is found by a part of its name', async () => {
    expect(await ask(software.env, 'name', 'Subzero')).toMatchObject({ software: true });
  });

  it.each(['Voodoo', 'subzero'])('the name %s is that of none, and those there are are named', async (name) => {
    const error = await ask(software.env, 'name', name);
    expect(error).toMatchObject({ code: 'NO_ADAPTER', message: `No adapter has "${name}" in its name; ${found}.` });
  });

  it('it is listed', async () => {
    expect(await ask(software.env, 'list')).toEqual(['vulkan: SwiftShader Device (Subzero)']);
  });
});

describe('where there is no Vulkan', () => {
  let env: Record<string, string>;
  beforeAll(async () => {
    // found before the system's, and no library
    await writeFile(path.join(folder, 'libvulkan.so.1'), '');
    env = { LD_LIBRARY_PATH: folder, VK_DRIVER_FILES: '' };
  });

  it.each(['hardware', 'software'])('there is no %s adapter', async (kind) => {
    const error = await ask(env, kind);
    const message = expect.stringContaining('; no adapter at all was found.');
    expect(error).toMatchObject({ code: 'NO_ADAPTER', message, hint: expect.stringContaining('libvulkan.so.1') });
  });

  it('none has a name', async () => {
    expect(await ask(env, 'name', 'NVIDIA')).toMatchObject({ code: 'NO_ADAPTER' });
    expect(await ask(env, 'list')).toEqual([]);
  });

  it('programs can still be checked', async () => {
    expect(await ask(env, 'null')).toMatchObject({ software: true });
  });
});

describe('a GPU', () => {
  it('is refused in a worker thread, which would take the process along', async () => {
    const code = `
      import { workerData, parentPort } from 'node:worker_threads';
      const { Gpu } = await import(workerData);
      parentPort.postMessage(await Gpu.open({ adapter: 'null' }).catch(({ code, hint }) => ({ code, hint })));`;
    const workerData = new URL('../../src/gpu/index.ts', import.meta.url).href;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData });
    const answer = await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
    expect(answer).toEqual({ code: 'GPU_THREAD', hint: 'Use it in the main thread, or in a child process.' });
  });

  it('needs a package that may be missing', async () => {
    const root = path.join(import.meta.dirname, '../..');
    for (const part of ['src/gpu', 'src/kernels', 'src/errors.ts', 'test/fixtures/gpu']) {
      await mkdir(path.dirname(path.join(folder, part)), { recursive: true });
      await cp(path.join(root, part), path.join(folder, part), { recursive: true });
    }
    await writeFile(path.join(folder, 'package.json'), '{ "type": "module" }');
    // nothing, so that none is found further up
    await mkdir(path.join(folder, 'node_modules/webgpu'), { recursive: true });
    const script = path.join(folder, 'test/fixtures/gpu/adapters.ts');
    const { stdout } = await startScript(script, ['null'], { cwd: folder }).ended;
    expect(JSON.parse(stdout)).toMatchObject({
      code: 'WEBGPU_MISSING',
      message: 'A GPU needs the optional package webgpu.',
      hint: expect.stringContaining(`npm install webgpu@${manifest.optionalDependencies.webgpu} `),
    });
  });
});
