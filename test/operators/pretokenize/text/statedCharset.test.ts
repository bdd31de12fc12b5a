import { describe, expect, it } from 'vitest';
import { statedCharset } from '../../../../src/operators/pretokenize/text/statedCharset.ts';
import { segments } from '../../../support/cuts.ts';

const latin = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('the charset that a text says it has', () => {
  it.each([
    ['XML', '<?xml version="1.0" encoding="ISO-8859-1"?><r>\xe9</r>', 'x.xml', 'windows-1252', 'application/xml'],
    ['a page', '<html><head><meta charset="windows-1251"></head>\xcf\xf0\xe8</html>', 'x', 'windows-1251', 'text/html'],
    ['a style sheet', '@charset "iso-8859-15";\nq { quotes: "\xab" }\n', 'x.css', 'iso-8859-15', 'text/x-css'],
    ['Python', '#!/usr/bin/python\n# -*- coding: latin-1 -*-\nx = "\xe9"\n', 'x.py', 'windows-1252', 'text/x-python'],
    ['Python in vim', '# vim: set fileencoding=euc_jp :\n# \xc6\xfc\xcb\xdc\n', 'x.py', 'euc-jp', 'text/x-python'],
    ['Emacs', ';; -*- coding: koi8-r -*-\n; \xc4\xc1\n', 'x.el', 'koi8-r', 'text/x-elisp'],
    [
      'a mail',
      'Received: x\r\nFrom: a@b\r\nDate: x\r\nContent-Type: text/plain;\r\n charset="iso-8859-1"\r\n\r\nH\xe4llo\r\n',
      'x.eml',
      'windows-1252',
      'message/rfc822',
    ],
  ])('by %s is believed', async (_what, text, name, charset, mediaType) => {
    const bytes = latin(text);
    const [first] = await segments(bytes, name, { code: { unit: 'file' } });
    expect(first).toMatchObject({ mediaType, meta: { charset } });
    expect(Buffer.from(first?.bytes ?? [])).toEqual(bytes);
    expect(first?.meta.confidence).toBeUndefined();
  });

  it.each([
    ['none', '<r>\xe9</r>'],
    ['UTF-8, and is not', '<?xml version="1.0" encoding="UTF-8"?><r>\xe9</r>'],
    ['one that there is not', '<?xml version="1.0" encoding="latin-99"?><r>\xe9</r>'],
    ['one in which its bytes mean nothing', '<?xml version="1.0" encoding="shift_jis"?><r>\xe9</r>'],
    ['one that only a sentence names', 'The coding: latin1 of \xe9\n'],
    [
      'one of a part alone',
      'From: a\nContent-Type: multipart/mixed\n\nContent-Type: text/plain; charset=latin1\n\xe9\n',
    ],
    ['one in the third line', '#\n#\n# coding: latin1 \xe9\n'],
  ])('is nothing where it says %s', (_what, text) => {
    expect(statedCharset(latin(text))).toBeUndefined();
  });

  it('does not go before what the caller says, nor before valid UTF-8', async () => {
    const xml = '<?xml version="1.0" encoding="ISO-8859-1"?><r>é</r>';
    expect((await segments(xml, 'x.xml'))[0]?.meta.charset).toBe('utf-8');
    const said = await segments(latin(xml), 'x.xml', { fallbackCharset: 'iso-8859-15' });
    expect(said[0]?.meta.charset).toBe('iso-8859-15');
  });
});
