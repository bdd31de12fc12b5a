import { describe, expect, it } from 'vitest';
import { decoder, decodes, guessCharset } from '../../../../src/operators/pretokenize/text/charset.ts';

/** Encodes into a charset of single bytes, by the inverse of what is decoded. */
function encode(text: string, charset: string): Buffer {
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)).filter((one) => decodes(one, charset));
  const table = new Map(bytes.map((one) => [decoder(charset).decode(one, true), one[0] ?? 0]));
  return Buffer.from(
    [...text].map((char) => {
      const byte = table.get(char);
      if (byte === undefined) throw new Error(`${charset} has no ${char}`);
      return byte;
    }),
  );
}

describe('a charset is guessed for', () => {
  it.each([
    [
      'French, where à is a word',
      'windows-1252',
      'Il est à Paris, à peu près à l’heure. Il va à pied à la mer, à midi. ',
    ],
    [
      'Italian, where è is a word',
      'windows-1252',
      'La città è bella e il caffè è buono. È così: la verità è che è tardi. ',
    ],
    [
      'Portuguese, where é and à are',
      'windows-1252',
      'A língua é falada em vários países e é a quinta. Ele vai à escola, à tarde. ',
    ],
    [
      'Swedish, where å and ö are',
      'windows-1252',
      'I en å på en ö bor en gås, och på ön växer många träd. Å ena sidan. ',
    ],
    ['Danish, where ø and å are', 'windows-1252', 'På en ø i en å bor der en gås, og på øen er der æbler og pærer. '],
    [
      'Spanish with ordinal numbers',
      'windows-1252',
      'El 1º de mayo, en la 2ª planta, el niño comió jamón. El 3º, también. ',
    ],
    [
      'Hungarian, where ő is a word',
      'iso-8859-2',
      'A kutya az udvaron ült, és nézte a madarakat. Ő is ott volt, amikor az eső elkezdett esni. ',
    ],
    ['Turkish', 'windows-1254', 'Güneşli bir günde çocuklar parkta oynuyordu. Öğretmen, öğrencilere kitap okudu. '],
    ['Arabic', 'windows-1256', 'هذا نص عربي بسيط لاختبار الترميز. القاهرة هي عاصمة مصر وأكبر مدنها. '],
    ['Hebrew', 'iso-8859-8', 'זהו טקסט פשוט בעברית שנועד לבדוק את זיהוי הקידוד. ירושלים היא עיר הבירה של ישראל. '],
    ['Thai, which is no Korean', 'windows-874', 'นี่คือข้อความภาษาไทยสำหรับทดสอบการเข้ารหัส กรุงเทพเป็นเมืองหลวงของประเทศไทย '],
  ])('%s', (_what, charset, text) => {
    expect(guessCharset(encode(text, charset))).toMatchObject({ kind: 'charset', charset });
    expect(guessCharset(encode(text.repeat(40), charset))).toMatchObject({ kind: 'charset', charset });
  });

  it.each([
    ['a byte between words of English', 'The price of it was \xff and nothing of it is remarkable. '],
    ['one letter that may be a word', 'The price of it was \xe0 while nothing of it is remarkable. '],
    ['signs in place of letters', 'plain words \xac\xa4 and \xb6 more of them \xa6\xa8 without any sense '],
  ])('nothing of %s', (_what, text) => {
    expect(guessCharset(Buffer.from(text.repeat(20), 'latin1'))).toMatchObject({ kind: 'damaged' });
  });
});
