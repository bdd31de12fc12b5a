import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Gpu, Memory } from '../../src/gpu/index.ts';
import { testGpu } from '../support/gpu.ts';
import { codeOf, scaleAndAdd, wordsOf } from './kernels.ts';

let gpu: Gpu;
const held: Memory[] = [];
beforeAll(async () => {
  gpu = await testGpu();
});
afterEach(() => {
  for (const { free } of held.splice(0)) free();
});
afterAll(() => gpu.close());

async function memoryOf(...words: number[]): Promise<Memory> {
  const memory = gpu.memory.take(4 * words.length, 'words', true);
  held.push(memory);
  await gpu.uploads.write(memory.buffer, 0, new Uint8Array(Uint32Array.from(words).buffer));
  return memory;
}

const program = () => gpu.programs.get(scaleAndAdd, { count: 1, factor: 1, term: 1 });

describe('commands', () => {
  it('are done in their order, dispatches and copies alike', async () => {
    const [a, b] = [await memoryOf(1, 2), await memoryOf(0, 0)];
    const commands = gpu.commands();
    commands.dispatch(await program(), { data: a }, { count: 2, factor: 10, term: 1 });
    commands.copy(a, 4, b, 0, 4);
    commands.dispatch(await program(), { data: a }, { count: 2, factor: 10, term: 2 });
    commands.copy(a, 0, b, 4, 4);
    commands.dispatch(await program(), { data: b }, { count: 2, factor: 1, term: 5 });
    await commands.submit();
    expect([...(await wordsOf(gpu, a))]).toEqual([112, 212]);
    expect([...(await wordsOf(gpu, b))]).toEqual([26, 117]);
  });

  it('of several lists are done in the order of submission, with sizes of their own', async () => {
    const data = await memoryOf(0);
    const lists = Array.from({ length: 20 }, () => gpu.commands());
    for (const [i, list] of lists.entries()) {
      list.dispatch(await program(), { data }, { count: 1, factor: 3, term: i });
    }
    await Promise.all(lists.map((list) => list.submit()));
    let expected = 0;
    for (let i = 0; i < 20; i++) expected = (Math.imul(expected, 3) + i) >>> 0;
    expect([...(await wordsOf(gpu, data))]).toEqual([expected]);
  });

  it.each([255, 256, 257, 600])('may be %s dispatches', async (count) => {
    const data = await memoryOf(0);
    const commands = gpu.commands();
    let expected = 0;
    for (let i = 0; i < count; i++) {
      commands.dispatch(await program(), { data }, { count: 1, factor: 3, term: i });
      expected = (Math.imul(expected, 3) + i) >>> 0;
    }
    await commands.submit();
    expect([...(await wordsOf(gpu, data))]).toEqual([expected]);
  });

  it('of more workgroups than one dimension has reach each element once', async () => {
    const count = 65_537;
    const data = gpu.memory.take(4 * count, 'data', true);
    held.push(data);
    await gpu.uploads.write(data.buffer, 0, new Uint8Array(Uint32Array.from({ length: count }, (_, i) => i).buffer));
    const commands = gpu.commands();
    commands.dispatch(await program(), { data }, { count, factor: 1, term: 7 });
    await commands.submit();
    const found = await wordsOf(gpu, data);
    expect(found.findIndex((word, i) => word !== i + 7)).toBe(-1);
  });

  it('bind parts of a memory', async () => {
    const data = gpu.memory.take(1024, 'data');
    held.push(data);
    await gpu.uploads.write(data.buffer, 0, new Uint8Array(1024));
    const commands = gpu.commands();
    const slice = { memory: data, offset: 512, bytes: 8 };
    commands.dispatch(await program(), { data: slice }, { count: 100, factor: 1, term: 3 });
    await commands.submit();
    const found = await wordsOf(gpu, data);
    expect([...found.entries()].filter(([, word]) => word !== 0).map(([i]) => i)).toContain(128);
    expect(found.slice(0, 128).every((word) => word === 0)).toBe(true);
    expect(found.slice(130).every((word) => word === 0)).toBe(true);
  });

  it('of no workgroups do nothing', async () => {
    const data = await memoryOf(5);
    const commands = gpu.commands();
    commands.dispatch(await program(), { data }, { count: 0, factor: 0, term: 0 });
    await commands.submit();
    await gpu.commands().submit();
    expect([...(await wordsOf(gpu, data))]).toEqual([5]);
  });

  it('are submitted once', async () => {
    const data = await memoryOf(1);
    const commands = gpu.commands();
    commands.dispatch(await program(), { data }, { count: 1, factor: 2, term: 0 });
    await Promise.all([commands.submit(), commands.submit()]);
    await commands.submit();
    expect([...(await wordsOf(gpu, data))]).toEqual([2]);
  });

  it('with sizes or buffers that are none are refused as they are given, and those before them are kept', async () => {
    const data = await memoryOf(1);
    const commands = gpu.commands();
    const add = { count: 1, factor: 1, term: 1 };
    commands.dispatch(await program(), { data }, add);
    const given = await program();
    expect(() => commands.dispatch(given, { data }, { ...add, term: -1 })).toThrow(
      'scale_and_add: term is -1, which is no u32.',
    );
    expect(() => commands.dispatch(given, {} as { data: Memory }, add)).toThrow(
      'scale_and_add: nothing is bound to data.',
    );
    const few = { ...given, form: { ...given.form, fits: () => false } };
    expect(() => commands.dispatch(few, { data }, add)).toThrow('scale_and_add.invocation does not fit');
    commands.dispatch(given, { data }, add);
    await commands.submit();
    expect([...(await wordsOf(gpu, data))]).toEqual([3]);
  });

  it('that the device refuses are an error with the reason, and the device goes on', async () => {
    const [a, b] = [await memoryOf(1), await memoryOf(2)];
    const invalid = gpu.commands();
    invalid.copy(a, 0, b, 0, 8);
    const error = await invalid.submit().catch((reason) => reason);
    expect(error).toMatchObject({ name: 'DeviceError', code: 'GPU_INVALID' });
    expect(error.message).toMatch(/^The GPU refused work: .*range/);
    const slice = { memory: a, offset: 4, bytes: 4 };
    const unaligned = gpu.commands();
    unaligned.dispatch(await program(), { data: slice }, { count: 1, factor: 1, term: 1 });
    expect(await codeOf(unaligned.submit())).toBe('GPU_INVALID');
    expect(gpu.lost).toBeUndefined();
    expect([...(await wordsOf(gpu, a))]).toEqual([1]);
  });

  it('tell each list its own errors, however they are mixed', async () => {
    const data = await memoryOf(0);
    const outcomes = Array.from({ length: 30 }, async (_, i) => {
      const commands = gpu.commands();
      if (i % 3 === 1) commands.copy(data, 0, data, 0, 4);
      else commands.dispatch(await program(), { data }, { count: 1, factor: 1, term: 1 });
      return codeOf(commands.submit());
    });
    expect(await Promise.all(outcomes)).toEqual(
      Array.from({ length: 30 }, (_, i) => (i % 3 === 1 ? 'GPU_INVALID' : 'no error')),
    );
    expect([...(await wordsOf(gpu, data))]).toEqual([20]);
  });

  it('are not begun on memory that was freed', async () => {
    const data = gpu.memory.take(4, 'freed', true);
    const commands = gpu.commands();
    commands.dispatch(await program(), { data }, { count: 1, factor: 1, term: 1 });
    data.free();
    const error = await commands.submit().catch((reason) => reason);
    expect(error).toMatchObject({ code: 'GPU_INVALID', message: expect.stringContaining('freed') });
  });

  it('may go on with memory that is freed while they run', async () => {
    const [a, b] = [await memoryOf(1), await memoryOf(0)];
    const gone = gpu.memory.take(4, 'gone', true);
    const commands = gpu.commands();
    commands.copy(a, 0, gone, 0, 4);
    commands.dispatch(await program(), { data: gone }, { count: 1, factor: 1, term: 41 });
    commands.copy(gone, 0, b, 0, 4);
    const submitted = commands.submit();
    gone.free();
    await submitted;
    expect([...(await wordsOf(gpu, b))]).toEqual([42]);
  });
});
