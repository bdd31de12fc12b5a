import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { RecordError } from '../../src/errors.ts';
import { iterate, pull } from '../../src/flow/index.ts';
import { utf8Faults } from '../../src/operators/pretokenize/text/charset.ts';
import { type PretokenizeOptions, pretokenize } from '../../src/operators/pretokenize.ts';
import type { Document, Segment } from '../../src/records.ts';
import { withRun } from '../../src/run/context.ts';

const document = (bytes: Uint8Array | string, uri = 'file'): Document => ({
  id: uri,
  source: { split: '00000', uri, position: { ordinal: 0 } },
  bytes: typeof bytes === 'string' ? Buffer.from(bytes) : bytes,
  meta: { from: 'test' },
});

interface Outcome {
  readonly segments: Segment[];
  readonly rejects: { stage: string; error: RecordError; payload: Uint8Array | undefined }[];
}

async function cut(documents: readonly Document[], options?: PretokenizeOptions): Promise<Outcome> {
  const segments: Segment[] = [];
  const rejects: Outcome['rejects'] = [];
  const run = {
    reject: (stage: string, error: RecordError, payload?: Uint8Array) => void rejects.push({ stage, error, payload }),
  };
  await new Promise<void>((resolve, reject) =>
    withRun(run, () =>
      pull(() => [documents])
        .pipe(pretokenize(options))
        .subscribe({ next: (segment) => segments.push(segment), error: reject, complete: resolve }),
    ),
  );
  return { segments, rejects };
}

const one = async (bytes: Uint8Array | string, uri?: string, options?: PretokenizeOptions): Promise<Segment> => {
  const { segments, rejects } = await cut([document(bytes, uri)], options);
  expect(rejects).toEqual([]);
  expect(segments).toHaveLength(1);
  return segments[0]!;
};

/** Encodes by the inverse of what TextDecoder decodes. */
function encode(text: string, charset: string): Buffer {
  const decoder = new TextDecoder(charset);
  const table = new Map<string, number[]>();
  for (let a = 0; a < 256; a++) table.set(decoder.decode(new Uint8Array([a])), [a]);
  for (let a = 0x81; a < 256; a++) {
    for (let b = 0x40; b < 256; b++) {
      const char = decoder.decode(new Uint8Array([a, b]));
      if ([...char].length === 1 && !table.has(char)) table.set(char, [a, b]);
    }
  }
  // some versions of Node take windows-1252 for Latin-1
  if (charset === 'windows-1252') table.set('’', [0x92]);
  return Buffer.from([...text].flatMap((char) => table.get(char) ?? [0x3f]));
}

const prose = {
  french:
    'L’été dernier, nous avons visité une île très agréable ; les hôtels étaient fermés, et le café était déjà froid. ',
  german: 'Über die schönen Häuser der großen Städte führen Straßen, die für Fußgänger nicht geöffnet sind. ',
  polish: 'Zażółć gęślą jaźń. To jest zwykły polski tekst, który służy do sprawdzenia wykrywania kodowania znaków. ',
  russian: 'Привет, мир! Это обычный русский текст, который нужен для проверки определения кодировки. ',
  greek: 'Αυτό είναι ένα απλό ελληνικό κείμενο για τον έλεγχο της κωδικοποίησης. ',
  japanese: 'これは日本語のテキストです。文字コードの判定を確認するために使います。漢字とひらがなが混ざっています。',
  chinese: '这是一个中文文本，用来检查编码检测是否正确。它包含几个句子，都是普通的汉字。',
  taiwanese: '這是一個中文文本，用來檢查編碼檢測是否正確。它包含幾個句子，都是普通的漢字。',
  korean: '이것은 한국어 텍스트입니다. 문자 인코딩 감지를 확인하기 위해 사용됩니다.',
};

const legacy: [keyof typeof prose, string][] = [
  ['french', 'windows-1252'],
  ['german', 'windows-1252'],
  ['polish', 'windows-1250'],
  ['polish', 'iso-8859-2'],
  ['russian', 'windows-1251'],
  ['russian', 'koi8-r'],
  ['russian', 'iso-8859-5'],
  ['greek', 'iso-8859-7'],
  ['japanese', 'shift_jis'],
  ['japanese', 'euc-jp'],
  ['chinese', 'gb18030'],
  ['taiwanese', 'big5'],
  ['korean', 'euc-kr'],
];

const wide = (text: string, charset: string): Buffer => {
  if (charset === 'utf-16le') return Buffer.from(text, 'utf16le');
  if (charset === 'utf-16be') return Buffer.from(text, 'utf16le').swap16();
  const units = Uint32Array.from([...text], (char) => char.codePointAt(0) ?? 0);
  return charset === 'utf-32le' ? Buffer.from(units.buffer) : Buffer.from(units.buffer).swap32();
};

describe('text', () => {
  it.each([
    ['ASCII', 'plain text\n'],
    ['UTF-8', 'häuser 漢字 😀'],
    ['with a mark', '\ufeffmarked'],
    ['with terminal colours', '\u001b[31mred\u001b[0m é'],
    ['that begins like a bitmap', 'BM is a prefix. So is MZ.'],
    ['that begins like an image', 'GIF89a is what such files begin with.'],
    ['one letter', 'é'],
  ])('%s is one segment of its own bytes', async (_kind, text) => {
    const segment = await one(text);
    expect(Buffer.from(segment.bytes).toString()).toBe(text);
    expect(segment).toMatchObject({
      index: 0,
      last: true,
      label: 'text',
      modality: 'text',
      mediaType: 'text/plain',
      meta: { charset: 'utf-8' },
    });
    expect(segment.origin).toEqual({ start: 0, end: Buffer.byteLength(text) });
    expect(segment.document).toEqual({
      id: 'file',
      source: document('').source,
      byteLength: Buffer.byteLength(text),
      meta: { from: 'test' },
    });
  });

  it.each([
    ['a/b.py', 'code', 'text/x-python', 'python', 'code_gap'],
    ['x.tar!/src/Main.RS', 'code', 'text/x-rust', 'rust', 'code_gap'],
    ['page.html', 'text', 'text/html', undefined, 'text'],
    ['Makefile', 'code', 'text/x-make', 'make', 'code_snippet'],
    ['.py', 'text', 'text/plain', undefined, 'text'],
    ['x.constructor', 'text', 'text/plain', undefined, 'text'],
  ])('named %s is %s', async (uri, modality, mediaType, language, label) => {
    const segment = await one('x = 1\n', uri);
    expect(segment).toMatchObject({ modality, mediaType, label });
    expect(segment.meta.language).toBe(language);
  });

  it('is cut behind lines or between characters into ranges that tile it', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'é', '漢', '😀', '\n'), minLength: 1, maxLength: 2000 });
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 64, max: 300 }), async (value, maxSegmentBytes) => {
        const bytes = Buffer.from(value);
        const { segments } = await cut([document(bytes)], { maxSegmentBytes });
        let at = 0;
        for (const [index, segment] of segments.entries()) {
          expect(segment.origin).toEqual({ start: at, end: at + segment.bytes.length });
          expect(segment.bytes.length).toBeLessThanOrEqual(maxSegmentBytes);
          expect(utf8Faults(segment.bytes)).toBeUndefined();
          expect([segment.index, segment.last]).toEqual([index, index === segments.length - 1]);
          at += segment.bytes.length;
        }
        expect(Buffer.concat(segments.map((segment) => segment.bytes))).toEqual(bytes);
      }),
    );
  });
});

describe('text in another charset', () => {
  it.each(legacy)(
    '(%s in %s) keeps its bytes, or becomes UTF-8 that says where it comes from',
    async (language, charset) => {
      const text = prose[language].repeat(2).replaceAll('’', charset === 'windows-1252' ? '’' : "'");
      const bytes = encode(text, charset);
      const kept = await one(bytes);
      expect(kept).toMatchObject({ modality: 'text', meta: { charset } });
      expect(kept.meta.confidence === undefined || Number(kept.meta.confidence) >= 0.5).toBe(true);
      expect(Buffer.from(kept.bytes)).toEqual(bytes);
      expect(kept.origin).toEqual({ start: 0, end: bytes.length });
      const derived = await one(bytes, 'file', { charset: 'utf-8' });
      expect(Buffer.from(derived.bytes).toString()).toBe(text);
      expect(derived.origin).toEqual({ start: 0, end: bytes.length, derived: `${charset} -> utf-8` });
      expect(derived.document.byteLength).toBe(bytes.length);
    },
  );

  it.each(['utf-16le', 'utf-16be', 'utf-32le', 'utf-32be'])('(%s with a mark) is told by the mark', async (charset) => {
    const bytes = wide('\ufeffПривет 漢字 😀\n', charset);
    expect((await one(bytes)).meta).toEqual({ charset });
    const derived = await one(bytes, 'file', { charset: 'utf-8' });
    expect(Buffer.from(derived.bytes).toString()).toBe('Привет 漢字 😀\n');
  });

  it.each(['utf-16le', 'utf-16be'])('(%s without a mark) is told by its zeros', async (charset) => {
    const segment = await one(wide('An ordinary sentence, naïve as it is.\n', charset));
    expect(segment).toMatchObject({ modality: 'text', meta: { charset, confidence: 0.9 } });
  });

  it('(ISO-2022-JP) hides in ASCII and is found', async () => {
    const euc = encode('これは日本語', 'euc-jp');
    const bytes = Buffer.concat([Buffer.from('\x1b$B'), euc.map((byte) => byte & 0x7f), Buffer.from('\x1b(B\n')]);
    expect((await one(bytes)).meta).toMatchObject({ charset: 'iso-2022-jp' });
    expect(Buffer.from((await one(bytes, 'file', { charset: 'utf-8' })).bytes).toString()).toBe('これは日本語\n');
  });

  it('is cut where transcoding loses nothing, in any charset', async () => {
    const sample = fc.constantFrom(
      ...legacy.map(([language, charset]) => encode(prose[language].repeat(9), charset)),
      ...['utf-16le', 'utf-16be', 'utf-32le'].map((charset) => wide(`\ufeff${'a😀漢\n'.repeat(90)}`, charset)),
    );
    await fc.assert(
      fc.asyncProperty(sample, fc.integer({ min: 64, max: 400 }), async (bytes, maxSegmentBytes) => {
        const whole = await one(bytes, 'file', { charset: 'utf-8' });
        const { segments } = await cut([document(bytes)], { charset: 'utf-8', maxSegmentBytes });
        expect(segments.length).toBeGreaterThan(1);
        expect(Buffer.concat(segments.map((segment) => segment.bytes))).toEqual(Buffer.from(whole.bytes));
        expect(segments.map(({ origin }) => origin.start)).toEqual([
          0,
          ...segments.slice(0, -1).map(({ origin }) => origin.end),
        ]);
        expect(segments.at(-1)?.origin.end).toBe(bytes.length);
      }),
      { numRuns: 60 },
    );
  });

  it('is what the caller says, where nothing can be told from its bytes', async () => {
    const bytes = Buffer.from('caf\xe9', 'latin1');
    expect((await cut([document(bytes)])).rejects[0]?.error.code).toBe('INVALID_UTF8');
    const segment = await one(bytes, 'file', { fallbackCharset: 'latin1', charset: 'utf-8' });
    expect(Buffer.from(segment.bytes).toString()).toBe('café');
    expect(segment.meta).toEqual({ charset: 'windows-1252' });
  });
});

describe('damaged text', () => {
  const english = 'The quick brown fox jumps over the lazy dog, and nothing of it is remarkable. '.repeat(40);

  it.each([
    ['a lone 0xFF in English', Buffer.from(`${english}\xff${english}`, 'latin1'), english.length],
    ['0xFF 0xFE in the middle', Buffer.from(`abc \xff\xfe def`, 'latin1'), 4],
    ['a lead byte without its rest', Buffer.from(`${english}\xc3(`, 'latin1'), english.length],
    ['an overlong slash', Buffer.from(`path ${english}\xc0\xaf`, 'latin1'), english.length + 5],
    ['half of a surrogate', Buffer.concat([Buffer.from('é漢'), Buffer.from([0xed, 0xa0, 0x80])]), 5],
    ['a cut-off end', Buffer.from('häuser é').subarray(0, -1), 8],
    [
      'one bad byte among good ones',
      Buffer.concat([Buffer.from('größe und länge '.repeat(9)), Buffer.from([0xe9]), Buffer.from(' weiter')]),
      171,
    ],
  ])('(%s) is rejected with the offset of the first bad byte', async (_what, bytes, offset) => {
    const { segments, rejects } = await cut([document('before'), document(bytes, 'bad'), document('after')]);
    expect(segments.map((segment) => Buffer.from(segment.bytes).toString())).toEqual(['before', 'after']);
    expect(rejects).toHaveLength(1);
    const [reject] = rejects;
    expect(reject).toMatchObject({
      stage: 'pretokenize',
      error: { name: 'RecordError', code: 'INVALID_UTF8', path: 'bad', position: { ordinal: 0 } },
    });
    expect(reject?.error.message).toContain(`byte ${offset} `);
    expect(reject?.error.hint).toContain('invalidText');
    expect(Buffer.from(reject?.payload ?? [])).toEqual(bytes);
    const kept = await one(bytes, 'bad', { invalidText: 'keep' });
    expect(Buffer.from(kept.bytes)).toEqual(bytes);
    expect(kept.modality).toBe('text');
  });

  it('of any kind has its first fault where a strict decoder stops', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 20 }), (noise, text) => {
        const bytes = Buffer.concat([Buffer.from(text), noise]);
        const faults = utf8Faults(bytes);
        const first = faults?.first ?? bytes.length;
        const strict = new TextDecoder('utf-8', { fatal: true });
        expect(() => strict.decode(bytes.subarray(0, first))).not.toThrow();
        if (faults !== undefined) expect(() => strict.decode(bytes.subarray(0, first + 4))).toThrow();
      }),
    );
  });

  it('in a charset that was to be transcoded is rejected before any of it is handed on', async () => {
    const bytes = Buffer.concat([wide(`\ufeff${'a'.repeat(40_000)}`, 'utf-16le'), Buffer.from([0x00, 0xd8])]);
    const { segments, rejects } = await cut([document(bytes)], { charset: 'utf-8', maxSegmentBytes: 1000 });
    expect(segments).toEqual([]);
    expect(rejects.map(({ error }) => error.code)).toEqual(['INVALID_TEXT']);
  });
});

describe('what is not text', () => {
  const png = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  );
  const wav = Buffer.concat([
    Buffer.from('RIFF'),
    Buffer.from([36, 0, 0, 0]),
    Buffer.from('WAVEfmt '),
    Buffer.alloc(28),
  ]);

  it.each([
    ['image', 'image/png', png],
    ['audio', 'audio/wav', wav],
    ['pdf', 'application/pdf', Buffer.from('%PDF-1.4\n1 0 obj\n<< >>\nendobj\n')],
    ['archive', 'application/gzip', gzipSync('hello')],
    ['binary', 'application/octet-stream', Buffer.from([0, 1, 2, 3, 4, 5])],
    [
      'binary',
      'application/octet-stream',
      Buffer.from(Array.from({ length: 4000 }, (_, n) => Math.imul(n + 1, 2654435761) >>> 24 || 1)),
    ],
  ])('passes as it is where nobody wants it taken apart: %s, %s', async (modality, mediaType, bytes) => {
    const segment = await one(bytes, 'file', { [modality]: false });
    expect(segment).toMatchObject({ modality, mediaType, label: modality });
    expect(Buffer.from(segment.bytes)).toEqual(bytes);
  });

  it('is cut anywhere, into ranges that tile it', async () => {
    const { segments } = await cut([document(Buffer.alloc(1000))], { maxSegmentBytes: 300 });
    expect(segments.map(({ origin }) => [origin.start, origin.end])).toEqual([
      [0, 300],
      [300, 600],
      [600, 900],
      [900, 1000],
    ]);
    expect(segments.map(({ last }) => last)).toEqual([false, false, false, true]);
  });

  it('has the modality that the source or the caller says', async () => {
    const said: Document = { ...document('text'), modality: 'audio' };
    expect((await cut([said], { audio: false })).segments[0]?.modality).toBe('audio');
    const noPdf: Document = { ...document('text'), modality: 'pdf' };
    expect((await cut([noPdf])).rejects[0]?.error.code).toBe('DAMAGED_FILE');
    expect((await one('text', 'x.py', { modality: 'text' })).modality).toBe('text');
    expect((await one(png, 'x', { modality: 'binary' })).modality).toBe('binary');
    expect((await one('nul \0 and é', 'x', { modality: 'text' })).meta).toEqual({ charset: 'utf-8' });
  });

  it('is never a crash, whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 5 }), async (blobs) => {
        const { segments, rejects } = await cut(
          blobs.map((bytes, n) => document(bytes, `${n}`)),
          { charset: 'utf-8' },
        );
        expect(new Set(segments.map((segment) => segment.document.id)).size + rejects.length).toBe(blobs.length);
      }),
      { numRuns: 200 },
    );
  });
});

describe('in a flow', () => {
  it('an empty document is rejected', async () => {
    const { segments, rejects } = await cut([document(''), document(Buffer.from([0xff, 0xfe]), 'mark')], {
      charset: 'utf-8',
    });
    expect(segments).toEqual([]);
    expect(rejects.map(({ error }) => error.code)).toEqual(['EMPTY_DOCUMENT', 'EMPTY_DOCUMENT']);
  });

  it('order is that of the documents, of segments and of rejects', async () => {
    const documents = Array.from({ length: 200 }, (_, n) =>
      document(
        n % 3 === 0
          ? Buffer.from([0, 1, n])
          : n % 3 === 1
            ? `text ${n}`
            : n % 2 === 0
              ? ''
              : Buffer.from('caf\xe9', 'latin1'),
        `${n}`,
      ),
    );
    const { segments, rejects } = await cut(documents);
    const numbers = segments.map((segment) => Number(segment.document.id));
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    const refused = rejects.map(({ error }) => Number(error.path));
    expect(refused).toEqual([...refused].sort((a, b) => a - b));
    expect(numbers.length + refused.length).toBe(200);
  });

  it('of somebody else, a record that fails is an error', async () => {
    const flow = of(document('fine'), document('')).pipe(pretokenize());
    const seen: string[] = [];
    await expect(
      (async () => {
        for await (const segment of iterate(flow)) seen.push(segment.document.id);
      })(),
    ).rejects.toMatchObject({ name: 'RecordError', code: 'EMPTY_DOCUMENT' });
    expect(seen).toEqual(['file']);
  });

  it('the run is told how many bytes each document becomes', async () => {
    const told: [from: number, to: number][] = [];
    const page = Buffer.from('<p>A page of <b>few</b> words</p>');
    await new Promise<void>((resolve, reject) =>
      withRun({ reject: () => {}, cut: (from, to) => void told.push([from, to]) }, () =>
        pull(() => [[document('plain'), document(page, 'a.html'), document('')]])
          .pipe(pretokenize({ text: { markup: 'text' } }))
          .subscribe({ error: reject, complete: resolve }),
      ),
    );
    expect(told).toEqual([
      [5, 5],
      [page.length, 'A page of few words'.length],
      [0, 0],
    ]);
  });

  it('wrong options are refused at once', () => {
    expect(() => pretokenize({ maxSegmentBytes: 1 })).toThrow(expect.objectContaining({ code: 'BAD_LIMIT' }));
    expect(() => pretokenize({ fallbackCharset: 'klingon' })).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_CHARSET' }),
    );
  });

  it.each([
    { undecoded: 'pass' },
    { invalidText: 'ignore' },
    { charset: 'utf8' },
    { modality: 'picture' },
    { text: false },
    { image: null },
    { image: true },
    { audio: 'off' },
    { archive: [] },
    { limits: null },
    { code: { whole: ['pyton'] } },
  ])('values that no option has are refused, and not taken for the default: %j', (options: object) => {
    expect(() => pretokenize(options)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', hint: expect.stringMatching(/./) }),
    );
  });
});
