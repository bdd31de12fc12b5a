import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkJax, checkSphere } from '../../src/formats/checkExports.ts';
import { temporaryFolder } from '../sinks/flow.ts';
import { type TestTensor, tensorFile } from '../support/oldLayouts.ts';

type Check = (file: string, complain: (what: string) => void) => Promise<void>;

async function complaints(tensors: Readonly<Record<string, TestTensor>>, check: Check): Promise<string[]> {
  const file = path.join(await temporaryFolder(), 'x.safetensors');
  await writeFile(file, tensorFile(tensors));
  const found: string[] = [];
  await check(file, (what) => found.push(what));
  return found;
}

const f32 = (shape: readonly number[], values: readonly number[]): TestTensor => ({ dtype: 'F32', shape, values });

describe('a JAX shard', () => {
  const good: Record<string, TestTensor> = {
    embeddings: f32([3, 2], [1, 2, 3, 4, 0, 0]),
    patch_entropies: f32([3], [1, 1, 0]),
    prominence: f32([3], [1, 1, 0]),
    patch_lengths: { dtype: 'I32', shape: [3], values: [2, 1, 0] },
    bytes: { dtype: 'U8', shape: [3], values: [7, 8, 9] },
    mask: { dtype: 'U8', shape: [3], values: [1, 1, 0] },
  };
  const check: Check = (file, complain) => checkJax(file, { rows: 3, patches: 2, bytes: 3, dim: 2 }, complain);
  const { mask: _, ...bare } = good;

  it('is sound', async () => {
    expect(await complaints(good, check)).toEqual([]);
  });

  it.each([
    ['a mask that says otherwise', { ...good, mask: { dtype: 'U8', shape: [3], values: [1, 0, 0] } }, 'mask[1] = 0'],
    [
      'a real row without bytes',
      { ...good, patch_lengths: { dtype: 'I32', shape: [3], values: [3, 0, 0] } },
      'length of 0 in row 1',
    ],
    [
      'padding with a length',
      { ...good, patch_lengths: { dtype: 'I32', shape: [3], values: [1, 1, 1] } },
      'length of 1 in row 2',
    ],
    [
      'lengths of other bytes',
      { ...good, patch_lengths: { dtype: 'I32', shape: [3], values: [2, 2, 0] } },
      'add up to 4',
    ],
    ['a number that is none', { ...good, prominence: f32([3], [1, Number.NaN, 0]) }, 'prominence[1] = NaN'],
    ['another shape', { ...good, embeddings: f32([2, 3], [1, 2, 3, 4, 0, 0]) }, 'should have'],
    ['no mask', bare, 'no mask'],
  ] as const)('is told: %s', async (_name, tensors, what) => {
    expect(await complaints(tensors as Record<string, TestTensor>, check)).toContainEqual(
      expect.stringContaining(what),
    );
  });
});

describe('a file of spheres', () => {
  const good: Record<string, TestTensor> = {
    embeddings: f32([1, 2], [1, 2]),
    sphere_coords: f32([1, 2], [1, 2]),
    ...Object.fromEntries(['prominence', 'radii', 'theta', 'phi'].map((name) => [name, f32([1], [1])])),
  };
  const check: Check = (file, complain) => checkSphere(file, { patches: 1, dim: 2 }, complain);

  it('is sound, or told of what is not', async () => {
    expect(await complaints(good, check)).toEqual([]);
    expect(await complaints({ ...good, phi: f32([1], [Number.NaN]) }, check)).toEqual(['has phi[0] = NaN']);
    expect(await complaints({ ...good, radii: f32([1], [-1]) }, check)).toEqual(['has radii[0] = -1']);
    const { theta: _, ...less } = good;
    expect(await complaints(less, check)).toEqual([expect.stringContaining('should have')]);
  });
});
