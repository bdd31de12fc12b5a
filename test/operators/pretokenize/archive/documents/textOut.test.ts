import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TextOut } from '../../../../../src/operators/pretokenize/archive/documents/textOut.ts';
import { Budget } from '../../../../../src/operators/pretokenize/budget.ts';

const budget = (): Budget => new Budget({ decodedBytes: 1 << 30, members: 1, depth: 1 });

const wholeOf = (pieces: readonly string[]): string => pieces.join('').trimEnd().replace(/^\n+/, '');

it('is all that was added, without line ends before it and white space behind it', () => {
  const piece = fc.tuple(
    fc.constantFrom('\n', ' ', '\u00a0', 'a', ' häuser\n', '\n\n木\t'),
    fc.integer({ min: 1, max: 9000 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const texts = pieces.map(([text, times]) => text.repeat(times));
      const out = new TextOut(budget());
      for (const text of texts) out.add(text);
      expect(new TextDecoder().decode(out.bytes())).toBe(wholeOf(texts));
    }),
  );
});

it('takes white space that goes on and on in time', () => {
  const started = performance.now();
  const out = new TextOut(budget());
  out.add('a');
  for (let n = 0; n < 2000; n++) out.add(' '.repeat(8192));
  out.add('b');
  expect(out.bytes().length).toBe(2 + 2000 * 8192);
  expect(performance.now() - started).toBeLessThan(5000);
});
