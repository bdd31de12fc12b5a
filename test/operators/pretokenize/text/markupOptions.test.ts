import { describe, expect, it } from 'vitest';
import { settled } from '../../../../src/operators/pretokenize/settings.ts';
import { isPlainText } from '../../../../src/operators/pretokenize/text/options.ts';
import { type PretokenizeOptions, pretokenize } from '../../../../src/operators/pretokenize.ts';

const text = (options: PretokenizeOptions) => settled(options).modalities.text;

describe('options of markup', () => {
  it.each([
    [undefined, { html: 'keep', markdown: 'keep', mail: 'keep' }],
    ['keep', { html: 'keep', markdown: 'keep', mail: 'keep' }],
    ['text', { html: 'main', markdown: 'text', mail: 'text' }],
    [{}, { html: 'main', markdown: 'text', mail: 'text' }],
    [
      { html: 'all', mail: 'keep' },
      { html: 'all', markdown: 'text', mail: 'keep' },
    ],
  ] as const)('%j is %j', (markup, expected) => {
    expect(text({ text: { markup } }).markup).toEqual(expected);
  });

  it.each([
    [{ markup: 'html' }, 'BAD_OPTION'],
    [{ markup: null }, 'BAD_OPTION'],
    [{ markup: { html: 'text' } }, 'BAD_OPTION'],
    [{ markup: { htm: 'all' } }, 'UNKNOWN_OPTION'],
  ])('%j is refused', (options, code) => {
    expect(() => pretokenize({ text: options as PretokenizeOptions['text'] })).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it('send to other processes what they concern, and nothing else', () => {
    const all = text({ text: { markup: 'text' } });
    for (const type of ['text/html', 'application/xhtml+xml', 'text/markdown', 'message/rfc822', 'application/mbox']) {
      expect(isPlainText(all, type)).toBe(false);
      expect(isPlainText(text({}), type)).toBe(true);
    }
    expect(isPlainText(all, 'text/plain')).toBe(true);
    expect(isPlainText(all, 'constructor')).toBe(true);
    expect(isPlainText(text({ text: { markup: { mail: 'keep' } } }), 'application/mbox')).toBe(true);
    expect(isPlainText(text({ text: { normalise: 'NFC' } }), 'text/plain')).toBe(false);
  });
});
