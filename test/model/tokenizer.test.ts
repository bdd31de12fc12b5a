import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBytes, decodeText, encodeBytes, encodeText } from '../../src/model/tokenizer.ts';
import { tokenizerCases } from './golden.ts';

describe('tokenizer', () => {
  it.each(tokenizerCases.filter(({ kind }) => kind === 'encode'))('encodes $text as the reference does', (given) => {
    const ids = encodeText(given.text, { addBos: given.add_bos, addEos: given.add_eos });
    expect([...ids]).toEqual(given.token_ids);
  });

  it.each(tokenizerCases.filter(({ kind }) => kind === 'decode'))(
    'decodes $token_ids as the reference does',
    (given) => {
      expect(decodeText(given.token_ids, { cutAtEos: given.cut_at_eos })).toBe(given.text);
    },
  );

  it('drops lone surrogates and keeps pairs', () => {
    expect([...encodeText('a\ud800b')]).toEqual([1, 101, 102, 2]);
    expect(decodeText(encodeText('\u{1f600}\udc00'))).toBe('\u{1f600}');
  });

  it('keeps a byte order mark and a genuine U+FFFD', () => {
    expect(decodeText(encodeText('\ufeffa\ufffd'))).toBe('\ufeffa\ufffd');
  });

  it('gives back every byte sequence', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.boolean(), fc.boolean(), (bytes, addBos, addEos) => {
        expect([...decodeBytes(encodeBytes(bytes, { addBos, addEos }))]).toEqual([...bytes]);
      }),
    );
  });

  it('decodes any bytes to what a lenient decoder gives without its replacement marks', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const lenient = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
        fc.pre(!Buffer.from(bytes).includes(Buffer.from('\ufffd')));
        expect(decodeText(encodeBytes(bytes))).toBe(lenient.replaceAll('\ufffd', ''));
      }),
    );
  });

  it('refuses what is no token id', () => {
    for (const id of [-1, 260, 1.5, Number.NaN]) expect(() => decodeBytes([id])).toThrow('is not a token id');
  });
});
