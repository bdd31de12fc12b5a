import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ForwardResult, ForwardTask } from '../../../src/model/cpu/forward.ts';
import { requireListed } from '../../../src/model/cpu/providers/backends.ts';
import { DeviceProcess } from '../../../src/model/devices/deviceProcess.ts';
import { requireAgreement } from '../../../src/model/devices/selfCheck.ts';
import {
  type Device,
  type EncodedPiece,
  type EntropyModel,
  listBackends,
  openModel,
} from '../../../src/model/index.ts';
import { embed } from '../../../src/operators/embed.ts';
import { withRun } from '../../../src/run/context.ts';
import { flowOf, segmentOf } from '../../operators/segments.ts';
import { childProcesses } from '../../support/children.ts';
import { startScript } from '../../support/sluice.ts';
import { type SoftwareAdapter, swiftshader } from '../../support/swiftshader.ts';
import { goldenModel, largestDifference, modelCases, prose } from '../golden.ts';
import { expectGolden, expectNorms, TOLERANCE } from '../goldenChecks.ts';
import { modelFolder, smallArgs } from '../modelFolder.ts';
import { quantizedFolder } from '../quantized/quantizedFolder.ts';
import { testSession } from './session.ts';

const WEBGPU: Device = 'onnx:webgpu';
const names = ['w512-f32', 'w24-bf16'];
const models = new Map<string, EntropyModel>();
const modelOf = (name: string) => models.get(name)!;
const folder = mkdtempSync(join(tmpdir(), 'sluice-devices-'));
let adapter: SoftwareAdapter;

beforeAll(async () => {
  adapter = await swiftshader();
  // a device runs in a process of its own, which takes its environment from here
  Object.assign(process.env, adapter.env, { TMPDIR: folder });
  for (const name of names) models.set(name, await openModel(goldenModel(name), { device: WEBGPU }));
}, 60_000);
afterAll(async () => {
  for (const model of models.values()) await model.close();
  await adapter.remove();
  rmSync(folder, { recursive: true });
});

async function encodeAll(model: EntropyModel, bytes: Uint8Array, options: Parameters<EntropyModel['encode']>[1] = {}) {
  const pieces: EncodedPiece[] = [];
  for await (const piece of model.encode(bytes, options)) pieces.push(piece);
  const join = (pick: (piece: EncodedPiece) => Float32Array) =>
    Float32Array.from(pieces.flatMap((piece) => [...pick(piece)]));
  return { pieces, entropies: join(({ entropies }) => entropies), norms: join(({ norms }) => norms) };
}

describe('a model on onnx:webgpu', () => {
  // a software adapter takes seconds for a thousand bytes: of the long cases, one
  const plain = modelCases.filter(
    ({ kind, chunk, id }) => kind === undefined && chunk === undefined && id !== 'random-1100',
  );

  it.each(plain)('computes $id', async (given) => {
    const model = modelOf(given.model);
    const found = await model.referenceTokens(given.token_ids, { preNorm: true, logits: true });
    expectGolden(given, found, model.dim);
  });

  it('carries keys from piece to piece: the same as in one pass, for several documents at once', async () => {
    const model = modelOf('w24-bf16');
    const documents = [prose(400), prose(300).reverse(), prose(1)];
    const before = model.rowsComputed;
    const whole = await Promise.all(documents.map((bytes) => encodeAll(model, bytes, { pieceTokens: 500 })));
    const cut = await Promise.all(documents.map((bytes) => encodeAll(model, bytes, { pieceTokens: 60 })));
    expect(whole.map(({ pieces }) => pieces.length)).toEqual([1, 1, 1]);
    expect(cut.map(({ pieces }) => pieces.length)).toEqual([7, 5, 1]);
    expect(model.rowsComputed - before).toBe(2 * documents.reduce((sum, { length }) => sum + length + 1, 0));
    for (const [i, { entropies, norms }] of cut.entries()) {
      expect(largestDifference(entropies, whole[i]!.entropies)).toBeLessThan(TOLERANCE.entropy);
      expectNorms(norms, whole[i]!.norms);
    }
  });

  it('shares keys among the heads of a group, and turns carried keys back where positions restart', async () => {
    const path = modelFolder({ ...smallArgs, n_kv_heads: 2 });
    const { process: device } = await DeviceProcess.open(path, { kind: 'onnx', provider: 'webgpu' });
    const cpu = await testSession(path);
    const tokens = Int32Array.from(prose(200), (byte) => byte + 4);
    const first = { tokens: tokens.slice(0, 40), position: 400, carry: true, preNorm: false, logits: false };
    // the past then holds 8 rows, of positions 432 to 439
    const second = { ...first, tokens: tokens.slice(40), position: 8, rebase: 432, carry: false };
    const inTurn = async (run: (task: ForwardTask) => Promise<ForwardResult>) => {
      const { next, entropies } = await run(first);
      return [...entropies, ...(await run({ ...second, past: next })).entropies];
    };
    const found = await inTurn((task) => device.pass(0, task, 0, undefined));
    const expected = await inTurn((task) => cpu.run(task));
    expect(largestDifference(found, expected)).toBeLessThan(TOLERANCE.entropy);
    await Promise.all([device.close(), cpu.close()]);
  });

  it('has an id of its own, since its bits are', async () => {
    const cpu = await openModel(goldenModel('w512-f32'));
    expect(modelOf('w512-f32').id).not.toBe(cpu.id);
    expect(modelOf('w512-f32').id).toMatch(/^[0-9a-f]{64}$/);
    expect(modelOf('w512-f32').threads).toBe(1);
  });

  it('runs every operator on the device, and is refused where one would run on the CPU', async () => {
    const script = fileURLToPath(new URL('../../fixtures/devices/assignment.ts', import.meta.url));
    const { stdout, stderr } = await startScript(script, [goldenModel('w512-f32'), 'webgpu']).ended;
    expect(stdout, stderr).not.toBe('');
    const { ran, product, refused } = JSON.parse(stdout);
    expect(ran).toContain('WebGpuExecutionProvider MatMul');
    expect(ran.filter((one: string) => !one.startsWith('WebGpuExecutionProvider '))).toEqual([]);
    expect(product).toMatch(/^Gemm_\d+$/);
    expect(refused).toContain('nodes that are assigned to the default CPU EP');
  });

  it('stops for a signal, and refuses a piece that no device could hold', async () => {
    const model = modelOf('w512-f32');
    const stopped = encodeAll(model, prose(10), { signal: AbortSignal.abort(new Error('enough')) });
    await expect(stopped).rejects.toThrow('enough');
    await expect(encodeAll(model, prose(60_000), { pieceTokens: 60_000 })).rejects.toMatchObject({
      code: 'DEVICE_PIECE',
    });
    await expect(async () => encodeAll(model, prose(10), { pieceTokens: 1 })).rejects.toThrow('piece of 1 tokens');
  });

  it('computes with the codes of a quantized folder, widened to float32', async () => {
    const { dir } = await quantizedFolder(join(folder, 'int4'), 'int4');
    const [device, cpu] = [await openModel(dir, { device: WEBGPU }), await openModel(dir, { threads: 1 })];
    const [found, expected] = [await encodeAll(device, prose(60)), await encodeAll(cpu, prose(60))];
    expect(largestDifference(found.entropies, expected.entropies)).toBeLessThan(TOLERANCE.entropy);
    await Promise.all([device.close(), cpu.close()]);
    rmSync(dir, { recursive: true });
  });

  it('leaves no decoded weights behind', () => {
    expect(tmpdir()).toBe(folder);
    expect(readdirSync(folder).filter((name) => name.startsWith('sluice-weights-'))).toEqual([]);
  });
});

describe('a device that cannot be had', () => {
  const path = goldenModel('w24-bf16');

  it('names those that the platform lists', async () => {
    const listed = (await listBackends()).map(({ name }) => (name === 'cpu' ? name : `onnx:${name}`));
    expect(listed).toContain('onnx:webgpu');
    const error = await openModel(path, { device: 'onnx:abacus' }).catch((thrown) => thrown);
    expect(error).toMatchObject({ name: 'ModelError', code: 'NO_DEVICE', hint: `Devices here: ${listed.join(', ')}.` });
    expect(error.message).toContain('onnx:abacus');
    expect(() => requireListed('coreml', [{ name: 'cpu', bundled: true }])).toThrow('does not list it');
  });

  it('is no other word', async () => {
    // @ts-expect-error no name of a device
    await expect(openModel(path, { device: 'abacus' })).rejects.toMatchObject({ code: 'NO_DEVICE' });
    await expect(openModel(path, { device: 'onnx:cpu' })).rejects.toMatchObject({ code: 'NO_DEVICE' });
  });

  it("says the provider's own reason where it is not in the package, or has no driver", async () => {
    const missing = (await listBackends()).filter(({ bundled }) => !bundled);
    for (const { name } of missing) {
      const error = await openModel(path, { device: `onnx:${name}` }).catch((thrown) => thrown);
      expect(error).toMatchObject({ name: 'ModelError', code: 'DEVICE_UNAVAILABLE' });
      expect(error.message).toContain('Failed to load shared library');
      expect(error.hint).toContain('does not bring this provider');
    }
    const { VK_DRIVER_FILES } = process.env;
    process.env['VK_DRIVER_FILES'] = 'none.json';
    const error = await openModel(path, { device: WEBGPU }).catch((thrown) => thrown);
    process.env['VK_DRIVER_FILES'] = VK_DRIVER_FILES;
    expect(error).toMatchObject({ name: 'ModelError', code: 'DEVICE_UNAVAILABLE' });
    expect(error.message).toContain('Failed to get a WebGPU adapter');
  });

  it('computes no integer weights', async () => {
    await expect(openModel(path, { device: WEBGPU, weights: 'int8' })).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });
});

describe('the check of a device', () => {
  const right = { entropies: [1, 2, 0.5], norms: [10, 11, 12] };
  const check = (found: Partial<typeof right>) => requireAgreement({ ...right, ...found }, right, WEBGPU);

  it('lets rounding through and tells how much it was', () => {
    expect(check({})).toEqual({ entropyDifference: 0, normDifference: 0, tokens: 3 });
    const { entropyDifference, normDifference } = check({ entropies: [1, 2.0005, 0.5], norms: [10, 11.001, 12] });
    expect(entropyDifference).toBeCloseTo(5e-4, 8);
    expect(normDifference).toBeCloseTo(1e-3 / 11, 8);
  });

  it.each([
    ['an entropy off by more than a thousandth', { entropies: [1, 2.0011, 0.5] }],
    ['an entropy that is no number', { entropies: [1, Number.NaN, 0.5] }],
    ['too few entropies', { entropies: [1, 2] }],
    ['a norm off by more than a thousandth', { norms: [10, 11, 12.02] }],
  ])('refuses %s', (_, found) => {
    expect(() => check(found)).toThrow(
      expect.objectContaining({ code: 'DEVICE_WRONG', message: expect.stringContaining('computes wrongly') }),
    );
  });

  it('was passed by the models above', () => {
    for (const model of models.values()) {
      expect(model).toMatchObject({ agreement: { tokens: 200, entropyDifference: expect.any(Number) } });
    }
  });
});

describe('the process of a device', () => {
  it.each([
    ['lets its parent end by itself', '', { code: 0 }],
    ['ends with its parent, midway', 'throw new Error("midway");', { code: 1 }],
  ])('%s', async (_, then, ending) => {
    const program = `
      import { openModel } from ${JSON.stringify(new URL('../../../src/model/index.ts', import.meta.url).href)};
      const model = await openModel(${JSON.stringify(goldenModel('w24-bf16'))}, { device: 'onnx:webgpu' });
      const pieces = model.encode(Buffer.alloc(300, 97), { pieceTokens: 100 });
      process.stdout.write(String((await pieces.next()).value.entropies.length));
      const rest = pieces.next();
      ${then}
      await rest;`;
    const node = promisify(execFile)(
      process.execPath,
      ['--conditions=sluice-source', '--input-type=module', '-e', program],
      { timeout: 40_000 },
    );
    const ended = await node.then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout }) => ({ code, stdout }),
    );
    expect(ended).toEqual({ ...ending, stdout: '99' });
  });

  it('that dies fails the passes it had in hand and all after them, and says so', async () => {
    const model = modelOf('w24-bf16');
    const first = encodeAll(model, prose(5000));
    setTimeout(() => childProcesses().map((pid) => process.kill(pid, 'SIGKILL')), 50);
    await expect(first).rejects.toMatchObject({ name: 'ModelError', code: 'DEVICE_LOST' });
    await expect(encodeAll(model, prose(5))).rejects.toThrow('SIGKILL');
  });

  it('that dies ends the flow, and rejects no document for it', async () => {
    const documents = Array.from({ length: 40 }, (_, i) => segmentOf(prose(200), `d${i}`));
    const rejected: string[] = [];
    const read: string[] = [];
    const flow = flowOf(documents).pipe(embed({ model: goldenModel('w24-bf16'), device: WEBGPU }));
    const ending = new Promise((resolve) => {
      withRun({ reject: (stage) => rejected.push(stage) }, () =>
        flow.subscribe({
          next({ segment }) {
            if (read.push(segment.document.id) === 1) for (const pid of childProcesses()) process.kill(pid, 'SIGKILL');
          },
          error: resolve,
          complete: () => resolve('complete'),
        }),
      );
    });
    expect(await ending).toMatchObject({ name: 'ModelError', code: 'DEVICE_LOST' });
    expect(rejected).toEqual([]);
    expect(read.length).toBeLessThan(documents.length);
  });
});
