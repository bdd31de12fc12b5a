/** A program on a GPU that ends in one of the ways of `exitScenarios.ts`: `exitProgram.ts <adapter> <name of the way>`. */
import { writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type AdapterChoice, Gpu, type Memory } from '../../src/gpu/index.ts';
import { type Kernel, kernel } from '../../src/kernels/kernel.ts';

const DATA_BYTES = 1 << 20;
const STDOUT = 1;

/** Steps of a sequence, one after the other: `steps` say how long a dispatch takes. */
const spin: Kernel<'count' | 'steps', 'data'> = kernel({
  name: 'spin',
  sizes: { count: 'u32', steps: 'u32' },
  buffers: { data: { access: 'read_write', elements: 'u32' } },
  forms: [
    {
      name: 'invocation',
      code: `
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= sizes.count) { return; }
  var value = data[id.x] + id.x;
  for (var i = 0u; i < sizes.steps; i++) { value = value * 1664525u + 1013904223u; }
  data[id.x] = value;
}`,
      workgroups: ({ count }) => Math.ceil(count / 64),
    },
  ],
  cost: ({ count, steps }) => ({ bytes: 8 * count, flops: 2 * count * steps }),
});

const [adapter, way = ''] = process.argv.slice(2) as [AdapterChoice, string?];
const SEVERAL = 'several at once, and garbage collected';
const more = Array.from({ length: way === SEVERAL ? 3 : 0 }, () => Gpu.open({ adapter }));
const [gpu, ...others] = await Promise.all([Gpu.open({ adapter }), ...more]);
const data = gpu.memory.take(DATA_BYTES, 'data');

/** Some 30 ms of a slow device. */
async function submitWork(on: Gpu = gpu, memory: Memory = data): Promise<void> {
  const sizes = { count: DATA_BYTES / 4, steps: 100 };
  const commands = on.commands();
  commands.dispatch(await on.programs.get(spin, sizes), { data: memory }, sizes);
  await commands.submit();
}

async function readBack(on: Gpu = gpu, memory: Memory = data): Promise<ArrayBuffer> {
  const reading = await on.readbacks.begin(memory.bytes);
  const commands = on.commands();
  commands.read(reading, 0, memory, 0, memory.bytes);
  await commands.submit();
  return reading.finish();
}

/** Begins more work than is done when the process ends. */
async function beAtWork(): Promise<void> {
  for (let i = 0; i < 10; i++) await submitWork();
}

async function workForEver(): Promise<never> {
  await submitWork();
  writeSync(STDOUT, 'working\n');
  for (;;) {
    await submitWork();
    await readBack();
  }
}

/** Fails unless the device says that it is lost. */
async function expectLost(use: Promise<unknown>): Promise<void> {
  const code = await use.then(
    () => 'no error',
    (error) => error.code,
  );
  if (code !== 'DEVICE_LOST') throw new Error(`expected DEVICE_LOST, got ${code}`);
}

/** A buffer that is mapped to be read, or being mapped. */
function mapping(): { buffer: GPUBuffer; mapped: Promise<undefined> } {
  const buffer = gpu.device.createBuffer({ size: DATA_BYTES, usage: 0x1 | 0x8 });
  return { buffer, mapped: buffer.mapAsync(0x1) };
}

const ways: Readonly<Record<string, () => Promise<unknown>>> = {
  finishes: async () => {
    await submitWork();
    await readBack();
  },
  'closes and finishes': async () => {
    await submitWork();
    await readBack();
    gpu.close();
  },
  'closes amid work': async () => {
    await beAtWork();
    const waiting = [expectLost(readBack()), expectLost(gpu.done())];
    gpu.close();
    await Promise.all(waiting);
  },
  'uses a closed device': async () => {
    await submitWork();
    gpu.close();
    await expectLost(submitWork());
    await expectLost(readBack());
    await expectLost(gpu.uploads.write(data.buffer, 0, new Uint8Array(DATA_BYTES)));
    data.free();
  },
  'exits amid work': async () => {
    await beAtWork();
    readBack();
    process.exit(3);
  },
  'exits amid an upload': async () => {
    await beAtWork();
    for (let i = 0; i < 5; i++) gpu.uploads.write(data.buffer, 0, new Uint8Array(DATA_BYTES));
    await new Promise(setImmediate);
    process.exit(3);
  },
  'exits while it compiles': async () => {
    for (let i = 0; i < 4; i++) gpu.programs.get({ ...spin }, { count: 1, steps: 1 });
    await new Promise(setImmediate);
    process.exit(3);
  },
  'throws amid work': async () => {
    await beAtWork();
    readBack();
    setImmediate(() => {
      throw new Error('thrown');
    });
    await new Promise(() => undefined);
  },
  'rejects amid work': async () => {
    await beAtWork();
    Promise.reject(new Error('rejected'));
    await readBack();
  },
  interrupted: workForEver,
  'interrupted, with a handler': () => {
    process.on('SIGINT', () => process.exit(130));
    return workForEver();
  },
  terminated: workForEver,
  'device destroyed amid work': async () => {
    await beAtWork();
    const waiting = [
      expectLost(readBack()),
      expectLost(gpu.done()),
      expectLost(gpu.uploads.write(data.buffer, 0, new Uint8Array(DATA_BYTES))),
    ];
    gpu.device.destroy();
    await Promise.all(waiting);
  },
  'device lost, unhandled': async () => {
    await beAtWork();
    const reading = readBack();
    gpu.device.destroy();
    await reading;
  },
  'work refused that nobody waits for': async () => {
    await beAtWork();
    const reading = readBack();
    gpu.device.createBuffer({ size: 4, usage: 0 });
    await reading;
  },
  'buffer mapped at the end': async () => {
    await submitWork();
    const { buffer, mapped } = mapping();
    await mapped;
    buffer.getMappedRange();
  },
  'exits with a buffer mapped': async () => {
    await beAtWork();
    const { buffer, mapped } = mapping();
    await mapped;
    buffer.getMappedRange();
    process.exit(3);
  },
  'exits while a buffer is being mapped': async () => {
    await beAtWork();
    mapping();
    await new Promise(setImmediate);
    process.exit(3);
  },
  [SEVERAL]: async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (const other of others) {
      const memory = other.memory.take(DATA_BYTES, 'data');
      await submitWork(other, memory);
      collect();
      await readBack(other, memory);
    }
    for (let i = 0; i < 5; i++) {
      collect();
      await setTimeout(10);
    }
  },
};

await ways[way]?.();
