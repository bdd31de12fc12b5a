import { Failure } from '../../../sources/failure.ts';
import type { Found } from '../detect.ts';
import type { TextSettings } from './options.ts';
import type { TextFacts } from './textView.ts';

/** Facts of what was found to be text. @throws Failure `INVALID_UTF8` where it is damaged and that matters */
export function textFacts(found: Found, settings: Pick<TextSettings, 'keepInvalid'>): TextFacts {
  const { damage, charset = 'utf-8', confidence, modality, mediaType, language } = found;
  if (damage !== undefined && !settings.keepInvalid) {
    throw new Failure(
      'INVALID_UTF8',
      `the text is not valid UTF-8: byte ${damage.offset} begins no character`,
      damage.guess === undefined
        ? "Repair the input, or pass it as it is with pretokenize({ invalidText: 'keep' })."
        : `If it is ${damage.guess}, set pretokenize({ fallbackCharset: '${damage.guess}' }); { invalidText: 'keep' } passes it as it is.`,
    );
  }
  return { charset, confidence, modality, mediaType, language };
}
