import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMail } from '../../../../src/operators/pretokenize/text/markup/mail.ts';
import { mailsOf } from '../../../../src/operators/pretokenize/text/markup/mailbox.ts';
import { isRefused } from '../../../../src/operators/pretokenize/view.ts';
import { Failure } from '../../../../src/sources/failure.ts';
import { cuts, segments, textOf } from '../../../support/cuts.ts';

const lines = (...all: readonly string[]): string => all.join('\r\n');

const HEADER = [
  'From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>',
  'To: a@example.org, "B, C" <b@example.org>',
  'Cc: Team: x@example.org, y@example.org;',
  'Subject: =?utf-8?B?R3LDvMOfZQ==?=',
  'Date: Sat, 21 Nov 2026 10:00:00 +0100',
  'Message-ID: <1@example.org>',
  'In-Reply-To: <0@example.org>',
  'MIME-Version: 1.0',
];

const multipart = (kind: string, boundary: string, ...parts: string[]): string =>
  [
    `Content-Type: multipart/${kind}; boundary="${boundary}"`,
    '',
    ...parts.map((part) => `--${boundary}\r\n${part}`),
    `--${boundary}--`,
    '',
  ].join('\r\n');

const PLAIN = lines(
  'Content-Type: text/plain; charset=iso-8859-1',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'Stra=DFe =',
  'und so',
  '',
);
const HTML = lines('Content-Type: text/html; charset=utf-8', '', '<nav>n</nav><p>Straße</p><p>b', '');
const attached = (name: string, content: string): string =>
  lines(
    'Content-Type: application/octet-stream',
    `Content-Disposition: attachment; filename="${name}"`,
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from(content).toString('base64'),
    '',
  );

const mail = (...body: string[]): string => lines(...HEADER, ...body);
const markup = { text: { markup: 'text' } } as const;

describe('a mail as text', () => {
  it('is its plain text, with what its header says', async () => {
    const source = mail(multipart('alternative', 'x', PLAIN, HTML));
    const [segment, ...others] = await segments(source, 'a.eml', markup);
    expect(others).toEqual([]);
    expect(Buffer.from(segment?.bytes ?? []).toString()).toBe('Straße und so');
    expect(segment).toMatchObject({
      label: 'text',
      modality: 'text',
      mediaType: 'message/rfc822',
      origin: {
        start: 0,
        end: Buffer.byteLength(source),
        derived: expect.stringMatching(/^mail -> text \(postal-mime [\d.]+\)$/),
      },
    });
    expect(segment?.meta).toEqual({
      charset: 'utf-8',
      subject: 'Grüße',
      from: 'Jörg <joerg@example.org>',
      to: ['a@example.org', 'B, C <b@example.org>'],
      cc: ['Team: x@example.org, y@example.org;'],
      date: new Date('2026-11-21T09:00:00Z'),
      messageId: '<1@example.org>',
      inReplyTo: '<0@example.org>',
    });
  });

  it('is all that readers see of its HTML where it has no plain text', async () => {
    const [segment] = await segments(mail(HTML), 'a.eml', markup);
    expect(Buffer.from(segment?.bytes ?? []).toString()).toBe('n\n\nStraße\n\nb');
    expect(segment?.origin.derived).toMatch(/^mail -> html -> text \(postal-mime [\d.]+, parse5 [\d.]+\)$/);
  });

  it('keeps its bytes where nothing else is asked for', async () => {
    const source = mail(PLAIN);
    expect(textOf(await segments(source, 'a.eml'))).toBe(source);
    expect(textOf(await segments(source, 'a.eml', { text: { markup: { mail: 'keep' } } }))).toBe(source);
  });

  it('has what is attached as members, which are cut as what they are', async () => {
    const inner = mail('Content-Type: text/plain', '', 'inner text');
    const source = mail(
      multipart(
        'mixed',
        'y',
        multipart('alternative', 'x', PLAIN, HTML),
        attached('../../a/page.html', '<p>page'),
        attached('page.html', '<p>again'),
        attached('', 'nameless'),
        lines('Content-Type: message/rfc822', '', inner, ''),
      ),
    );
    const all = await segments(source, 'a.eml', markup);
    expect(all.map(({ document, bytes }) => [document.id, Buffer.from(bytes).toString()])).toEqual([
      ['a.eml', 'Straße und so'],
      ['a.eml!/page.html', 'page'],
      ['a.eml!/2-page.html', 'again'],
      ['a.eml!/part-3', 'nameless'],
      ['a.eml!/part-4.eml', 'inner text'],
    ]);
    expect(all[4]).toMatchObject({ document: { source: { uri: 'a.eml!/part-4.eml' } }, meta: { subject: 'Grüße' } });
  });

  it('of attachments alone is its members', async () => {
    const source = mail(multipart('mixed', 'y', attached('a.txt', 'a')));
    expect((await segments(source, 'a.eml', markup)).map(({ document }) => document.id)).toEqual(['a.eml!/a.txt']);
  });

  it.each([
    ['nothing in it', mail(''), 'EMPTY_DOCUMENT'],
    ['no header of one', 'hello: world\r\n\r\ntext', 'DAMAGED_FILE'],
    ['too much header', lines('From: a@b', `X: ${'x'.repeat(3 << 20)}`, '', 'text'), 'DAMAGED_FILE'],
  ])('that has %s is refused', async (_what, source, code) => {
    await expect(segments(source, 'a.eml', markup)).rejects.toMatchObject({ name: Failure.name, code });
  });

  it('that has parts of unknown charsets, dates and encodings is read as far as it goes', async () => {
    const source = lines(
      'From: a@b',
      'Date: yesterday',
      'Subject:',
      'Content-Type: text/plain; charset=klingon',
      'Content-Transfer-Encoding: x-none',
      '',
      'text',
    );
    expect((await readMail(Buffer.from(source))).facts).toEqual({ from: 'a@b' });
    expect(textOf(await segments(source, 'a.eml', markup))).toBe('text');
  });
});

describe('a mailbox', () => {
  const mbox = ['one', 'two', 'From here on it is text'].map(
    (text) => `From joerg@example.org Sat Nov 21 10:00:00 2026\n${mail('', text)}\n\n`,
  );

  it('is its mails', async () => {
    const all = await segments(mbox.join(''), 'in.mbox', markup);
    expect(all.map(({ document, bytes }) => [document.id, Buffer.from(bytes).toString()])).toEqual([
      ['in.mbox!/1.eml', 'one'],
      ['in.mbox!/2.eml', 'two'],
      ['in.mbox!/3.eml', 'From here on it is text'],
    ]);
  });

  it('is parted where lines begin mails, and nowhere else', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...mbox, 'From me\n', 'x\n', '\n', 'From ')), (parts) => {
        const bytes = Buffer.from(parts.join(''));
        const mails = mailsOf(bytes);
        let at = 0;
        for (const { line, start, end } of mails) {
          if (at > 0) expect(line).toBe(at);
          expect(line === 0 || bytes[line - 1] === 10).toBe(true);
          expect(bytes.subarray(line, start).toString()).toMatch(/^From [^\n]* 2026\n$/);
          expect(end).toBeGreaterThanOrEqual(start);
          at = end;
        }
        expect(mails.length === 0 ? 0 : at).toBe(mails.length === 0 ? 0 : bytes.length);
      }),
    );
  });

  it('that begins otherwise is refused', async () => {
    await expect(segments(`text\n${mbox.join('')}`, 'in.mbox', markup)).rejects.toMatchObject({ code: 'DAMAGED_FILE' });
    await expect(segments('no mail\n', 'in.mbox', markup)).rejects.toMatchObject({ code: 'DAMAGED_FILE' });
    expect(await segments(`\n\n${mbox.join('')}`, 'in.mbox', markup)).toHaveLength(3);
  });

  it('counts its mails', async () => {
    await expect(segments(mbox.join(''), 'in.mbox', { ...markup, limits: { members: 2 } })).rejects.toMatchObject({
      code: 'TOO_MANY_MEMBERS',
    });
  });
});

describe('hostile mail', () => {
  it('with mails in mails is opened as deep as is allowed', async () => {
    let source = mail('', 'inmost');
    for (let depth = 0; depth < 200; depth++) {
      source = mail(multipart('mixed', `b${depth}`, lines('Content-Type: message/rfc822', '', source, '')));
    }
    const all = await cuts(source, 'a.eml', markup);
    expect(all.filter(isRefused).map(({ code }) => code)).toEqual(['NESTED_TOO_DEEP']);
  });

  it('with parts in parts, a thousand deep, is refused', async () => {
    let source = lines('Content-Type: text/plain', '', 'inmost');
    for (let depth = 0; depth < 1000; depth++) source = multipart('mixed', `b${depth}`, source);
    await expect(segments(mail(source), 'a.eml', markup)).rejects.toMatchObject({ code: 'NESTED_TOO_DEEP' });
  });

  it.each([
    ['fifty thousand parts', mail(multipart('mixed', 'b', ...Array.from({ length: 50_000 }, () => 'X: y\r\n\r\nz')))],
    ['headers without end', lines('From: a@b', ...Array.from({ length: 50_000 }, () => 'X-Header: y'), '', 'text')],
    ['one header folded without end', lines('From: a@b', `Subject: ${'a\r\n '.repeat(100_000)}`, '', 'text')],
    ['encoded words without end', lines('From: a@b', `Subject: ${'=?utf-8?q?a?= '.repeat(50_000)}`, '', 'text')],
    ['addresses without end', lines('From: a@b', `To: ${'a@b, '.repeat(50_000)}`, '', 'text')],
    ['brackets without end', lines('From: a@b', `To: ${'<"('.repeat(50_000)}`, '', 'text')],
    ['a boundary of one letter', mail(multipart('mixed', '-', '-'.repeat(200_000)))],
    [
      'base64 that is none',
      mail(
        multipart('mixed', 'b', attached('x', ''), `Content-Transfer-Encoding: base64\r\n\r\n${'=*'.repeat(200_000)}`),
      ),
    ],
    [
      'quoted-printable that is none',
      mail('Content-Transfer-Encoding: quoted-printable', '', '=\r\n='.repeat(200_000)),
    ],
  ])('with %s is read or refused within seconds', async (_what, source) => {
    const began = performance.now();
    const outcome = await segments(source, 'a.eml', markup).catch((error: unknown) => error);
    if (outcome instanceof Error) expect(outcome).toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/) });
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('of any make is text, members, or refused', async () => {
    const source = Buffer.from(
      mail(multipart('mixed', 'y', multipart('alternative', 'x', PLAIN, HTML), attached('a.txt', 'a'))),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(source.length - 1), fc.nat(255)), { maxLength: 12 }),
        fc.integer({ min: 1, max: source.length }),
        async (changes, length) => {
          const bytes = Buffer.from(source);
          for (const [at, value] of changes) bytes[at] = value;
          const outcome = await readMail(bytes.subarray(0, length)).catch((error: unknown) => error);
          if (outcome instanceof Error) expect(outcome).toBeInstanceOf(Failure);
        },
      ),
      { numRuns: 300 },
    );
  });
});
