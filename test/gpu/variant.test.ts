import { expect, it } from 'vitest';
import { findAdapter } from '../../src/gpu/adapter.ts';
import { describeVariant, PORTABLE } from '../../src/gpu/index.ts';
import { variantOf } from '../../src/gpu/variant.ts';

it('subgroups count where the device was opened with them and programs can tell which is which', async () => {
  const { adapter } = await findAdapter('null');
  const [all, subgroupIds] = [new Set(['subgroups', 'shader-f16']), new Set(['subgroup_id'])];
  const subgroups = { least: adapter.info.subgroupMinSize, most: adapter.info.subgroupMaxSize };
  expect(variantOf(adapter, all, subgroupIds)).toEqual({ subgroups, f16: true, dp4a: false, software: false });
  expect(variantOf(adapter, all, new Set()).subgroups).toBeUndefined();
  expect(variantOf(adapter, new Set(), subgroupIds)).toEqual({ ...PORTABLE, subgroups: undefined });
  expect(variantOf(adapter, new Set(), new Set(['packed_4x8_integer_dot_product'])).dp4a).toBe(true);
});

it.each([
  [PORTABLE, 'no subgroups'],
  [{ subgroups: { least: 32, most: 32 }, f16: true, dp4a: true, software: false }, 'subgroups 32-32, f16, dp4a'],
  [{ subgroups: { least: 4, most: 4 }, f16: false, dp4a: false, software: true }, 'subgroups 4-4, software'],
])('is described: %o', (variant, text) => {
  expect(describeVariant(variant)).toBe(text);
});
