import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { missingEnd } from '../../../../src/operators/pretokenize/video/completeness.ts';
import { fixture } from './tools.ts';

const names = readdirSync(fileURLToPath(new URL('../../../fixtures/media/video', import.meta.url))).filter((name) =>
  /\.(mp4|mov|mkv|webm|avi|m2t|flv|ogv|wmv)$/.test(name),
);

describe.each(names)('%s', (name) => {
  const whole = fixture(name);

  it('is whole, whatever stands behind it', () => {
    expect(missingEnd(whole)).toBeUndefined();
    const behind = Buffer.concat([whole, Buffer.from('SEFH and other things that a camera adds'), Buffer.alloc(300)]);
    if (!name.endsWith('.m2t')) expect(missingEnd(behind)).toBeUndefined();
  });

  it('without its last byte is not', () => {
    expect(missingEnd(whole.subarray(0, -1))).toBe(
      `the file ends at byte ${whole.length - 1}, and a part of it at ${whole.length}`,
    );
  });
});

it('any bytes behind any magic are whole or not, in no time', () => {
  const heads = fc.constantFrom(...names).map((name) => fixture(name).subarray(0, 64));
  fc.assert(
    fc.property(heads, fc.nat({ max: 64 }), fc.uint8Array({ maxLength: 300 }), (head, length, noise) => {
      const missing = missingEnd(Buffer.concat([head.subarray(0, length), noise]));
      expect(missing === undefined || missing.startsWith('the file ends at byte')).toBe(true);
    }),
    { numRuns: 500 },
  );
});
