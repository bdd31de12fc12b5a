import { describe, expect, it } from 'vitest';
import type { RecordError } from '../../../../src/errors.ts';
import { pull } from '../../../../src/flow/index.ts';
import { type PretokenizeOptions, pretokenize } from '../../../../src/operators/pretokenize.ts';
import type { Document, Segment } from '../../../../src/records.ts';
import { withRun } from '../../../../src/run/context.ts';
import { Failure } from '../../../../src/sources/failure.ts';
import { cut, fixture } from './cutting.ts';
import {
  boxed,
  crossReferenceLoop,
  cyclicPages,
  deepArrays,
  deepPages,
  exponentialForms,
  flateBomb,
  miscounted,
  recursiveForm,
} from './hostilePdfs.ts';
import { pdfOfPages, textAt } from './pdfFile.ts';

/** The code that a file is refused with; undefined where it is not. Nothing but a Failure is thrown. */
async function refusal(bytes: Uint8Array, mode: 'text' | 'image' = 'text'): Promise<string | undefined> {
  try {
    await cut(bytes, { mode, width: 64 });
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error.code;
    throw error;
  }
}

const CODES = [undefined, 'DAMAGED_FILE', 'EMPTY_DOCUMENT', 'ENCRYPTED', 'TOO_MANY_PAGES', 'DECODED_TOO_LARGE'];

/** Numbers that are the same in every run (xorshift). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

describe('damaged files', () => {
  it.each(['two-columns.pdf', 'fifty-pages.pdf', 'scanned.pdf'])('cut off anywhere: %s', async (name) => {
    const whole = fixture(name);
    for (let length = 5; length < whole.length; length += Math.ceil(whole.length / 60)) {
      expect(CODES).toContain(await refusal(whole.subarray(0, length)));
    }
  });

  it.each(['unicode.pdf', 'fifty-pages.pdf', 'shapes-rotated.pdf', 'owner-password.pdf'])(
    'with bytes changed: %s',
    async (name) => {
      const whole = fixture(name);
      const next = numbers(whole.length);
      for (let round = 0; round < 75; round++) {
        const bytes = Uint8Array.from(whole);
        for (let change = next() % 8; change >= 0; change--) bytes[next() % bytes.length] = next() & 0xff;
        expect(CODES).toContain(await refusal(bytes, round % 3 === 0 ? 'image' : 'text'));
      }
    },
  );

  it('random bytes behind the magic', async () => {
    const next = numbers(7);
    for (let round = 0; round < 50; round++) {
      const noise = Buffer.from(Array.from({ length: next() % 400 }, () => next() & 0xff));
      expect(await refusal(Buffer.concat([Buffer.from('%PDF-1.7\n'), noise]))).toBe('DAMAGED_FILE');
    }
  });

  it.each([
    ['a page tree that holds itself', cyclicPages(), 'DAMAGED_FILE'],
    ['a very deep page tree', deepPages(3000), 'DAMAGED_FILE'],
    ['arrays in arrays', deepArrays(100_000), 'EMPTY_DOCUMENT'],
    ['pages that are not there', miscounted(4000), 'DAMAGED_FILE'],
    ['too many pages', miscounted(6000), 'TOO_MANY_PAGES'],
    ['tables that name themselves as earlier ones', crossReferenceLoop(), undefined],
  ])('%s', async (_what, bytes, code) => {
    expect(await refusal(bytes)).toBe(code);
  });

  it.each(['0 0 1000000000 1', '0 0 0 0', '5 5 5 5', '0 0 -10 -10', 'nan 1e30 -5 99999999999999999999'])(
    'pages of any size: [%s]',
    async (box) => {
      expect(await refusal(boxed(box))).toBeUndefined();
      expect(await refusal(boxed(box), 'image')).toBeUndefined();
    },
  );

  it('a page that is a million times as high as it is wide', async () => {
    expect(await refusal(boxed('0 0 1 1000000'), 'image')).toBe('DECODED_TOO_LARGE');
  });

  it('leave nothing behind for the next one', async () => {
    const good = fixture('two-columns.pdf');
    const before = await cut(good, { mode: 'multiview', width: 64 });
    for (const bad of [cyclicPages(), good.subarray(0, 900), fixture('encrypted.pdf')]) await refusal(bad);
    expect(await cut(good, { mode: 'multiview', width: 64 })).toEqual(before);
  });
});

describe('files that take for ever, or all memory', () => {
  const document = (uri: string, bytes: Uint8Array): Document => ({
    id: uri,
    source: { split: '00000', uri, position: { ordinal: 0 } },
    bytes,
    meta: {},
  });

  async function pretokenized(
    documents: readonly Document[],
    options: PretokenizeOptions,
  ): Promise<{ segments: Segment[]; rejects: RecordError[] }> {
    const segments: Segment[] = [];
    const rejects: RecordError[] = [];
    await new Promise<void>((resolve, reject) =>
      withRun({ reject: (_stage, error) => void rejects.push(error) }, () =>
        pull(() => [documents])
          .pipe(pretokenize(options))
          .subscribe({ next: (segment) => segments.push(segment), error: reject, complete: resolve }),
      ),
    );
    return { segments, rejects };
  }

  it('lose one record each, within their limits, and the others are as they are without them', async () => {
    const good = (n: number): Document => document(`good-${n}`, pdfOfPages([textAt(72, 700, `Page of file ${n}`)]));
    const bad: Readonly<Record<string, Uint8Array>> = {
      'exponential-forms': exponentialForms(),
      'recursive-form': recursiveForm(),
      'flate-bomb': flateBomb(192 << 20),
    };
    // one behind a good one, which is tried again in a process of its own
    const [first, ...others] = Object.entries(bad).map(([name, bytes]) => document(name, bytes));
    const documents = [good(0), first!, ...others, good(1)];
    const { segments, rejects } = await pretokenized(documents, {
      limits: { memoryBytes: 224 << 20, seconds: 30, processes: 1 },
    });
    expect(segments.map(({ label, bytes }) => [label, Buffer.from(bytes).toString()])).toEqual(
      [0, 1].map((n) => ['pdf_page_1_text', `Page of file ${n}`]),
    );
    expect(rejects.map(({ code, path }) => [path, code])).toEqual(
      Object.keys(bad).map((name) => [name, 'DECODE_MEMORY']),
    );
  });

  it('are told by their time where that runs out first', async () => {
    const { segments, rejects } = await pretokenized(
      [document('slow', exponentialForms()), document('good', pdfOfPages([textAt(72, 700, 'text')]))],
      { limits: { memoryBytes: 2 ** 31, seconds: 0.4, processes: 1 } },
    );
    expect(segments).toHaveLength(1);
    expect(rejects.map(({ code, path }) => [path, code])).toEqual([['slow', 'DECODE_TIME']]);
  });
});
