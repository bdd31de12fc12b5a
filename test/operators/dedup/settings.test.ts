import { describe, expect, it } from 'vitest';
import { candidateProbability } from '../../../src/lsh/sCurve.ts';
import { dedupNotes } from '../../../src/operators/dedup/notes.ts';
import { dedupSettings } from '../../../src/operators/dedup/settings.ts';

describe('settings', () => {
  it('are 20 bands of 5 rows over five bytes, verified by signature from 0.5 on', () => {
    expect(dedupSettings()).toMatchObject({
      scope: 'split',
      threshold: 0.5,
      banding: { bands: 20, rows: 5 },
      components: 100,
      shingle: { of: 'bytes', length: 5 },
      near: true,
      verify: 'signature',
      window: { documents: 100_000 },
      dir: 'duplicates',
    });
  });

  it('take bands that find most pairs above a threshold', () => {
    for (const threshold of [0.3, 0.5, 0.8, 0.95]) {
      const { banding } = dedupSettings({ threshold });
      expect(candidateProbability(threshold + 0.04, banding)).toBeGreaterThan(0.8);
    }
  });

  it('have as many components as the bands need, or bands that fit the components', () => {
    expect(dedupSettings({ banding: { bands: 14, rows: 8 } }).components).toBe(112);
    const { banding } = dedupSettings({ components: 60 });
    expect(banding.bands * banding.rows).toBeLessThanOrEqual(60);
  });

  it('size the window by documents, by bytes, or by both', () => {
    const sized = (window: object): number => dedupSettings({ window }).window.documents;
    expect(sized({ documents: 3000 })).toBe(3000);
    expect(sized({ bytes: 256e6 })).toBeGreaterThan(500_000 - 1);
    expect(sized({ bytes: 256e6, documents: 1000 })).toBe(1000);
    expect(sized({ bytes: 1e6, documents: 100_000 })).toBeLessThan(2000);
    expect(dedupSettings({ window: { bytes: 256e6 } }).window.bytes).toBe(256e6);
  });

  it.each([{ threshold: 0.8 }, { verify: 'jaccard' }, { shingle: { of: 'bytes', length: 9 } }] as const)(
    'refuse %j where only equal bytes count: it would mean nothing',
    (option) => {
      expect(() => dedupSettings({ near: false, ...option })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
    },
  );

  it.each(['scope', 'verify'])('refuse a %s that does not exist', (option) => {
    expect(() => dedupSettings({ [option]: 'none' })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
  });
});

describe('notes for a plan', () => {
  it('say what is compared, what is found and missed, and what is found by chance', () => {
    expect(dedupNotes(dedupSettings(), undefined)).toEqual([
      'dedup: 20 bands of 5 rows over shingles of 5 bytes; verified by signature at 0.50',
      'dedup: were all similarities equally frequent, of pairs below 0.5 8.93 % would become candidates, which verification drops, and above it 9.2 % would be missed',
      'dedup: chance to be a candidate by similarity: 0.2: 0.638 %, 0.3: 4.75 %, 0.4: 18.6 %, 0.5: 47 %, 0.6: 80.2 %, 0.7: 97.5 %, 0.8: 99.96 %, 0.9: 100 %',
      'dedup: in 100,000 documents each meets 0.473 unrelated ones as candidates',
    ]);
    expect(dedupNotes(dedupSettings({ near: false }), 10)).toEqual(['dedup: documents with equal bytes']);
  });

  it('warn where every document meets an unrelated one or more, among those that a window holds', () => {
    const warnings = (options: object, documents?: number, unrelated: readonly number[] = []): number => {
      const sampled = { compared: unrelated.length, unrelated, alike: 0 };
      return dedupNotes(dedupSettings(options), documents, sampled).filter((note) => note.includes('warning')).length;
    };
    const banding = { bands: 25, rows: 4 };
    expect(warnings({ banding }, 5000)).toBe(0);
    expect(warnings({ banding }, 50_000)).toBe(1);
    expect(warnings({}, 1e9)).toBe(0);
    expect(warnings({ window: { documents: 1e6 } }, 1e9)).toBe(1);
    expect(warnings({ banding: { bands: 14, rows: 8 }, window: { documents: 1e6 } }, 1e9)).toBe(0);
    expect(warnings({}, 1000, [0.5, 0.01])).toBe(1);
  });
  it('warn where pairs at random share much: copies, or shingles that every document has', () => {
    const notes = dedupNotes(dedupSettings(), 10, { compared: 100, unrelated: new Array(90).fill(0.1), alike: 7 });
    expect(notes.at(-1)).toMatch(
      /^dedup: warning: 10 of 100 pairs of a sample share much, 7 of them from 0\.5 on: .* too short/,
    );
    const few = dedupNotes(dedupSettings(), 10, { compared: 100, unrelated: new Array(95).fill(0.1), alike: 5 });
    expect(few.join()).not.toContain('warning');
  });
});
