import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Fragment, inReadingOrder } from '../../../../src/operators/pretokenize/pdf/readingOrder.ts';

/** A piece of text, ten points high, that begins at `start` on line `line` of fourteen points. */
const piece = (text: string, start: number, line: number, more: Partial<Fragment> = {}): Fragment => ({
  text,
  turns: 0,
  start,
  end: start + 5 * text.length,
  top: 14 * line,
  bottom: 14 * line + 10,
  leftwards: false,
  ...more,
});

const long = (name: string, line: number): string => `${name}${line} is a line of a column`;

/** Lines of columns, row by row. */
const columns = (starts: Readonly<Record<string, number>>, from: number, to: number): Fragment[] =>
  Array.from({ length: to - from }, (_, n) =>
    Object.entries(starts).map(([name, start]) => piece(long(name, from + n), start, from + n)),
  ).flat();

const all = (name: string, from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, n) => long(name, from + n));

describe('the order of a page', () => {
  it('is from top to bottom, and along a line', () => {
    expect(inReadingOrder([piece('below', 0, 2), piece('right', 60, 1), piece('left', 0, 1)])).toEqual([
      'left right',
      'below',
    ]);
  });

  it('takes what stands a little higher or lower as the same line', () => {
    const raised = piece('2', 21, 1, { top: 12, bottom: 18 });
    expect(inReadingOrder([raised, piece('next', 0, 2), piece('x', 0, 1), piece('= 4', 40, 1)])).toEqual([
      'x 2 = 4',
      'next',
    ]);
  });

  it('reads two columns one after the other, between what runs across both', () => {
    const across = piece('What runs across both of the columns, from one end to the other', 0, 0);
    expect(
      inReadingOrder([
        ...columns({ a: 0, b: 170 }, 1, 5),
        across,
        { ...across, text: 'ending', top: 70, bottom: 80 },
        ...columns({ c: 0, d: 170 }, 6, 9),
      ]),
    ).toEqual([across.text, ...all('a', 1, 5), ...all('b', 1, 5), 'ending', ...all('c', 6, 9), ...all('d', 6, 9)]);
  });

  it('reads three columns, of which the last is shorter', () => {
    expect(inReadingOrder([...columns({ a: 0, b: 170, c: 340 }, 0, 3), ...columns({ a: 0, b: 170 }, 3, 6)])).toEqual([
      ...all('a', 0, 6),
      ...all('b', 0, 6),
      ...all('c', 0, 3),
    ]);
  });

  it('reads columns whose lines do not stand side by side', () => {
    const shifted = columns({ b: 170 }, 0, 5).map((one) => ({ ...one, top: one.top + 6, bottom: one.bottom + 6 }));
    expect(inReadingOrder([...columns({ a: 0 }, 0, 5), ...shifted])).toEqual([...all('a', 0, 5), ...all('b', 0, 5)]);
  });

  it('keeps rows of short cells, and of too few lines', () => {
    const cells = ['one', 'two', 'three', 'four'].flatMap((text, n) => [piece(text, 0, n), piece(`${n}`, 100, n)]);
    expect(inReadingOrder(cells)).toEqual(['one 0', 'two 1', 'three 2', 'four 3']);
    expect(inReadingOrder(columns({ a: 0, b: 170 }, 0, 2))).toEqual(
      [0, 1].map((n) => `${long('a', n)} ${long('b', n)}`),
    );
  });

  it('is from right to left where most is written so', () => {
    const leftwards = columns({ a: 0, b: 170 }, 0, 3).map((one) => ({ ...one, leftwards: true }));
    expect(inReadingOrder(leftwards)).toEqual([...all('b', 0, 3), ...all('a', 0, 3)]);
    const row = [piece('first', 60, 0, { leftwards: true }), piece('second', 0, 0, { leftwards: true })];
    expect(inReadingOrder(row)).toEqual(['first second']);
  });

  it('takes each direction of writing by itself, the commonest first', () => {
    expect(
      inReadingOrder([
        piece('slanted', 0, 0, { turns: undefined }),
        piece('turned', 0, 3, { turns: 1 }),
        piece('most of the page is upright', 0, 1),
        piece('twice', 0, 2, { turns: 1 }),
      ]),
    ).toEqual(['most of the page is upright', 'twice', 'turned', 'slanted']);
  });

  it('is that of the file where there are too many pieces', () => {
    const many = Array.from({ length: 5001 }, (_, n) => piece(`${n}`, 0, 6000 - n));
    expect(inReadingOrder(many)).toEqual(many.map(({ text }) => text));
  });

  it('has every piece once, wherever pieces stand, and in little time', () => {
    const place = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    const size = fc.double({ min: 0, max: 1e4, noNaN: true });
    const fragment = fc.record({
      turns: fc.constantFrom(0, 1, undefined),
      start: place,
      top: place,
      width: size,
      height: size,
      leftwards: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 200 }), (raw) => {
        const fragments = raw.map(({ turns, start, top, width, height, leftwards }, n) => ({
          text: `<${n}>`,
          turns,
          start,
          end: start + width,
          top,
          bottom: top + height,
          leftwards,
        }));
        const found = inReadingOrder(fragments).join(' ').split(' ').filter(Boolean);
        expect(found.toSorted()).toEqual(fragments.map(({ text }) => text).toSorted());
      }),
    );
    const ladder = Array.from({ length: 5000 }, (_, n) => piece('x', n % 7, n));
    const began = performance.now();
    expect(inReadingOrder(ladder)).toHaveLength(5000);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('does not depend on the order of the file, where pieces do not overlap', () => {
    const page = [...columns({ a: 0, b: 170 }, 0, 6), piece('foot', 0, 8)];
    fc.assert(
      fc.property(fc.shuffledSubarray(page, { minLength: page.length }), (shuffled) => {
        expect(inReadingOrder(shuffled)).toEqual([...all('a', 0, 6), ...all('b', 0, 6), 'foot']);
      }),
    );
  });
});
