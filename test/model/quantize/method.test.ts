import { describe, expect, it } from 'vitest';
import { chosenMethod } from '../../../src/model/quantize/method.ts';

describe('methods of types', () => {
  it.each([
    ['f16', 'mse', 'leave --method out: weights are rounded to the nearest'],
    ['bf16', 'awq', 'leave --method out: weights are rounded to the nearest'],
    ['f32', 'minmax', 'leave --method out: weights are rounded to the nearest'],
    ['q8_0', 'mse', 'leave --method out: its encoder searches scales of least squared error'],
    ['ternary', 'gptq', 'gptq rounds to int4 and int4-64; take --method mse'],
    ['int8', 'gptq', 'gptq rounds to int4 and int4-64; take --method awq or mse'],
  ] as const)('%s refuses %s and tells what to do', (target, method, hint) => {
    expect(() => chosenMethod(target, method, true)).toThrow(expect.objectContaining({ code: 'BAD_FLAG', hint }));
  });
});
