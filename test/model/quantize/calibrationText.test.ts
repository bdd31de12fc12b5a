import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawText } from '../../../src/model/quantize/calibrationText.ts';

let folder: string;
const file = (name: string): string => path.join(folder, name);

/** 1,023 bytes a window; the first two of each are its number. */
function numbered(windows: number, more = 0): Uint8Array {
  const bytes = new Uint8Array(1023 * windows + more).fill(32);
  for (let i = 0; i < windows; i++) new DataView(bytes.buffer).setUint16(1023 * i, i);
  return bytes;
}

const numbers = (windows: readonly Uint8Array[]): number[] => windows.map((w) => (w[0]! << 8) | w[1]!);

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-text-'));
  await writeFile(file('100'), numbered(100, 500));
  await writeFile(file('3'), numbered(3, 1022));
  await writeFile(file('short'), 'a few words');
  await writeFile(file('empty'), '');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('text to calibrate on', () => {
  it('is drawn from the first three quarters of a file, and what is held back from the last one', async () => {
    const { windows, heldBack } = await drawText([file('100')], { tokens: 16 * 1024 });
    const [drawn, held] = [numbers(windows), numbers(heldBack)];
    expect([drawn.length, held.length]).toEqual([16, 16]);
    expect(Math.max(...drawn)).toBeLessThan(75);
    expect(Math.min(...held)).toBeGreaterThanOrEqual(75);
    expect(new Set([...drawn, ...held]).size).toBe(32);
    expect(drawn).toEqual(drawn.toSorted((a, b) => a - b));
    expect([...windows, ...heldBack].every(({ length }) => length === 1023)).toBe(true);
  });

  it('is all there is, where that is less than was asked for', async () => {
    const { windows, heldBack, record } = await drawText([file('100')], { tokens: 1 << 20 });
    expect(numbers(windows)).toEqual(Array.from({ length: 75 }, (_, i) => i));
    expect(numbers(heldBack)).toEqual(Array.from({ length: 25 }, (_, i) => 75 + i));
    expect(record).toMatchObject({ windows: 75, tokens: 75 * 1024 });
  });

  it('depends on the seed and on nothing else', async () => {
    const draw = async (seed: number) => numbers((await drawText([file('100')], { tokens: 8192, seed })).windows);
    expect(await draw(1)).toEqual(await draw(1));
    expect(await draw(1)).not.toEqual(await draw(2));
    // each window has the same chance: 8 of 75 in 60 draws are 6.4 times each, and no part of the file is left out
    const times = new Array<number>(3).fill(0);
    for (let seed = 0; seed < 60; seed++) for (const window of await draw(seed)) times[Math.floor(window / 25)]!++;
    for (const count of times) expect(count).toBeGreaterThan(110);
  });

  it('says what it is: content of the files, seed, sizes', async () => {
    const { record } = await drawText([file('100'), file('short')], { tokens: 2048, seed: 5 });
    const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');
    expect(record).toEqual({
      files: [
        { bytes: 102_800, sha256: sha256(numbered(100, 500)) },
        { bytes: 11, sha256: sha256('a few words') },
      ],
      held_back_share: 0.25,
      seed: 5,
      tokens: 2048,
      window_bytes: 1023,
      windows: 2,
    });
  });

  it('takes short files whole, and holds nothing of them back', async () => {
    const short = await drawText([file('short')]);
    expect(short.windows.map(String)).toEqual(
      [String(Buffer.from('a few words'))].map((text) => String(Buffer.from(text).toJSON().data)),
    );
    expect(short.heldBack).toEqual([]);
    expect(short.record).toMatchObject({ tokens: 12 });
    const three = await drawText([file('3')]);
    expect(numbers(three.windows)).toEqual([0, 1, 2]);
    expect(three.heldBack).toEqual([]);
  });

  it.each([
    ['empty', 'is empty'],
    ['nowhere', 'cannot be read: ENOENT'],
    ['.', 'is a folder, no file of text'],
  ])('refuses %s', async (name, message) => {
    await expect(drawText([file('100'), file(name)])).rejects.toMatchObject({
      code: 'NOTHING_TO_READ',
      message: expect.stringContaining(message),
      path: file(name),
    });
  });

  it.each([0, 1023, 2048.5, Number.NaN])('refuses %d tokens', async (tokens) => {
    await expect(drawText([file('100')], { tokens })).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });
});
