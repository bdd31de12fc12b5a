import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pull } from '../../../../src/flow/index.ts';
import { settled } from '../../../../src/operators/pretokenize/settings.ts';
import { identityOf } from '../../../../src/operators/pretokenize/text/units/options.ts';
import { pretokenize } from '../../../../src/operators/pretokenize.ts';
import type { Segment } from '../../../../src/records.ts';
import { awkwardText, goldenCases, KINDS, libraryEncoder, tokenizerJson } from '../../../tokenizers/fixtures.ts';
import { segmentsIn, textDocument, textOf, tiles } from './unitsSupport.ts';

let folder = '';
const fileOf = (name: string): string => path.join(folder, `${name}.json`);
const using = (name: string) => ({ modality: 'text' as const, text: { units: { tokenizer: fileOf(name) } } });

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-tokens-'));
  for (const kind of KINDS) await writeFile(fileOf(kind), tokenizerJson(kind));
});
afterAll(() => rm(folder, { recursive: true }));

const isToken = ({ label }: Segment): boolean => label === 'text_token';
const idsOf = (segments: readonly Segment[]): number[] =>
  segments.filter(isToken).map(({ meta }) => Number(meta['id']));

/** Ids without those for which nothing is left: `all` has each of `some`, in order. */
function isPartOf(some: readonly number[], all: readonly number[]): boolean {
  let at = 0;
  for (const id of all) if (some[at] === id) at++;
  return at === some.length;
}

describe.each(['gpt2', 'cl100k', 'whole'])('tokens of a byte-level tokenizer (%s)', (kind) => {
  it('are those of Python’s tokenizers, each with its own bytes', async () => {
    for (const { text, ids } of goldenCases(kind).filter(({ text }) => text !== '')) {
      const segments = await segmentsIn(text, using(kind));
      expect(idsOf(segments), text).toEqual(ids);
      expect(segments.every(isToken)).toBe(true);
      expect(tiles(segments, Buffer.from(text))).toBe(true);
    }
  });

  it('tile damaged text that is kept', async () => {
    const bytes = Buffer.concat([Buffer.from('some '), Buffer.from([0xff, 0xe2, 0x82]), Buffer.from(' text')]);
    expect(tiles(await segmentsIn(bytes, { ...using(kind), invalidText: 'keep' }), bytes)).toBe(true);
  });
});

describe.each(['nfc', 'qwen2', 'prefixed', 'wordpiece', 'unigram', 'fallback'])(
  'tokens of another tokenizer (%s)',
  (kind) => {
    it('lie within what Python’s tokenizers say of them, as far as anything is left of them', async () => {
      for (const { text, ids, offsets } of goldenCases(kind).filter(({ text }) => text !== '')) {
        // the library in JavaScript takes no final sigma for what it is in Python
        const folded = text.replaceAll('Σ', 'σ');
        if (kind === 'wordpiece' && folded !== text) continue;
        const segments = await segmentsIn(text, using(kind));
        expect(tiles(segments, Buffer.from(text)), text).toBe(true);
        expect(isPartOf(idsOf(segments), ids), text).toBe(true);
        if (idsOf(segments).length !== ids.length) continue;
        const bytes = [0];
        for (const char of text) bytes.push(bytes.at(-1)! + Buffer.byteLength(char));
        for (const [at, { origin }] of segments.filter(isToken).entries()) {
          const [start, end] = offsets[at]!;
          // Python leaves marks out that a normalizer drops; here they stay with their letter
          expect(origin.end, text).toBeGreaterThan(bytes[start]!);
          expect(origin.start, text).toBeLessThan(bytes[end]!);
        }
      }
    });

    it('tile whatever text there is, and are the ids of the library', async () => {
      const library = libraryEncoder(tokenizerJson(kind).toString());
      const text = awkwardText.filter((text) => text !== '');
      let exact = 0;
      await fc.assert(
        fc.asyncProperty(text, async (text) => {
          const segments = await segmentsIn(text, using(kind)).catch((error: { code: string }) => error.code);
          if (typeof segments === 'string') {
            expect(segments).toBe('UNALIGNED_TOKENS');
            return;
          }
          expect(tiles(segments, Buffer.from(text))).toBe(true);
          expect(isPartOf(idsOf(segments), library(text))).toBe(true);
          exact++;
        }),
        { numRuns: 300, seed: 11 },
      );
      expect(exact).toBeGreaterThan(290);
    });

    it('tile damaged text that is kept', async () => {
      const bytes = Buffer.concat([Buffer.from('some '), Buffer.from([0xff, 0xe2, 0x82]), Buffer.from(' text')]);
      const segments = await segmentsIn(bytes, { ...using(kind), invalidText: 'keep' });
      expect(tiles(segments, bytes)).toBe(true);
      expect(
        segments
          .filter((segment) => !isToken(segment))
          .map(textOf)
          .join(''),
      ).toContain('\ufffd');
    });
  },
);

describe('tokens', () => {
  it('tell how the vocabulary spells them, and which are marks of structure', async () => {
    const segments = await segmentsIn('the end<|endoftext|>', using('gpt2'));
    expect(segments.at(-1)).toMatchObject({
      label: 'text_token',
      meta: { token: '<|endoftext|>', id: 0, special: true, charset: 'utf-8' },
    });
    expect(segments.map(({ meta }) => meta['token']).join('')).toBe('theĠend<|endoftext|>');
    expect(segments[0]?.meta).not.toHaveProperty('special');
  });

  it('leave what they drop as gaps', async () => {
    const segments = await segmentsIn('the  end\n', using('wordpiece'));
    expect(segments.filter((segment) => !isToken(segment)).map(textOf)).toEqual(['  ', '\n']);
    expect(segments.filter((segment) => !isToken(segment)).every(({ label }) => label === 'text_gap')).toBe(true);
  });

  it('keep the bytes of what is normalised for them', async () => {
    const segments = await segmentsIn('CAFÉ', using('wordpiece'));
    expect(segments.map(textOf).join('')).toBe('CAFÉ');
    expect(segments.map(({ meta }) => String(meta['token']).replace('##', '')).join('')).toBe('cafe');
  });

  it('of text in another charset are those of its UTF-8, and tell where that comes from', async () => {
    const text = 'the end of the day 😀';
    const bytes = Buffer.from(`\ufeff${text}`, 'utf16le');
    const segments = await segmentsIn(bytes, using('gpt2'));
    const plain = await segmentsIn(text, using('gpt2'));
    expect(idsOf(segments)).toEqual(idsOf(plain));
    expect(Buffer.concat(segments.map((segment) => segment.bytes)).toString()).toBe(text);
    expect(segments[0]?.origin).toMatchObject({ start: 0, derived: 'utf-16le -> utf-8' });
    expect(segments.at(-1)?.origin.end).toBe(bytes.length);
    expect(segments[1]?.origin.start).toBe(2 + 2 * (plain[0]?.bytes.length ?? 0));
  });

  it('come out of decoder processes as they are', async () => {
    const text = `${'It was the best of times, it was the worst of times. '.repeat(200)}\n`;
    const segments = await new Promise<Segment[]>((resolve, reject) =>
      pull(() => [[textDocument(text)]])
        .pipe(pretokenize({ text: { units: { tokenizer: fileOf('gpt2') } } }), toArray())
        .subscribe({ next: resolve, error: reject }),
    );
    expect(tiles(segments, Buffer.from(text))).toBe(true);
    expect(segments).toEqual(await segmentsIn(text, using('gpt2')));
  });

  it('of a long text without a blank come in time, or the record is too much', async () => {
    const start = performance.now();
    for (const [kind, unit] of [
      ['gpt2', 'x'],
      ['whole', ' '],
      ['cl100k', '\n'],
    ] as const) {
      const text = unit.repeat(1 << 18);
      expect(tiles(await segmentsIn(text, using(kind)), Buffer.from(text))).toBe(true);
    }
    expect(performance.now() - start).toBeLessThan(10_000);
    const limits = { decodedBytes: 1 << 20 };
    await expect(segmentsIn('x'.repeat(1 << 20), { ...using('unigram'), limits })).rejects.toMatchObject({
      code: 'DECODED_TOO_LARGE',
    });
  });
});

describe('the file of a tokenizer', () => {
  const unitsOf = (name: string) => settled({ text: { units: { tokenizer: fileOf(name) } } }).modalities.text.units;

  it('decides the digest of a run by what it holds, wherever it lies', async () => {
    await writeFile(fileOf('copy'), tokenizerJson('gpt2'));
    expect(identityOf(unitsOf('copy'))).toEqual(identityOf(unitsOf('gpt2')));
    expect(identityOf(unitsOf('whole'))).not.toEqual(identityOf(unitsOf('gpt2')));
    expect(JSON.stringify(identityOf(unitsOf('gpt2')))).not.toContain(folder);
  });

  it('is refused before anything runs where there is none, or it is something else', async () => {
    await writeFile(fileOf('other'), '{"a": 1}');
    expect(() => pretokenize(using('missing'))).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
    expect(() => pretokenize(using('other'))).toThrow(expect.objectContaining({ code: 'BAD_TOKENIZER' }));
  });

  it('must stay what it was while a run goes on', async () => {
    await writeFile(fileOf('changing'), tokenizerJson('unigram'));
    const options = using('changing');
    const settings = settled(options);
    await writeFile(fileOf('changing'), `${tokenizerJson('nfc').toString()} `);
    await utimes(fileOf('changing'), 1, 1);
    expect(identityOf(settled(options).modalities.text.units)).not.toEqual(identityOf(settings.modalities.text.units));
    const { divideTokens } = await import('../../../../src/operators/pretokenize/text/units/tokens.ts');
    const { units } = settings.modalities.text;
    if (units.kind !== 'tokenizer') throw new Error('these are no tokens');
    await expect(divideTokens({ ...units, sha256: '0'.repeat(64) }, 64)).rejects.toMatchObject({
      code: 'BAD_TOKENIZER',
    });
  });

  it('that means more than is run here is refused, and no tokens are made up', async () => {
    const file = JSON.parse(tokenizerJson('unigram').toString());
    await writeFile(fileOf('bytes'), JSON.stringify({ ...file, model: { ...file.model, byte_fallback: true } }));
    await expect(segmentsIn('text', using('bytes'))).rejects.toMatchObject({ code: 'UNSUPPORTED_TOKENIZER' });
  });

  it('may have added tokens of which a normalizer leaves nothing', async () => {
    const file = JSON.parse(tokenizerJson('wordpiece').toString());
    const token = { id: 600, content: '\0', special: false, normalized: true, lstrip: false, rstrip: false };
    await writeFile(fileOf('nothing'), JSON.stringify({ ...file, added_tokens: [...file.added_tokens, token] }));
    const segments = await segmentsIn('the\0 end', using('nothing'));
    expect(tiles(segments, Buffer.from('the\0 end'))).toBe(true);
  });

  it('whose expressions are none is refused as a whole', async () => {
    const file = JSON.parse(tokenizerJson('nfc').toString());
    file.pre_tokenizer.pretokenizers[0].pattern.Regex = '(((';
    await writeFile(fileOf('broken'), JSON.stringify(file));
    await expect(segmentsIn('text', using('broken'))).rejects.toMatchObject({ code: 'BAD_TOKENIZER' });
  });
});
