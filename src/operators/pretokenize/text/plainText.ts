import type { Found } from '../detect.ts';
import type { Settings } from '../settings.ts';
import type { View } from '../view.ts';
import { textFacts } from './facts.ts';
import { textView } from './textView.ts';

/** Text as it is, or in UTF-8: what needs no process of its own. @throws Failure as `textFacts` and `textView` do */
export function plainTextView(bytes: Uint8Array, found: Found, { modalities, maxSegmentBytes }: Settings): View {
  const { text } = modalities;
  return textView(bytes, textFacts(found, text), { maxSegmentBytes, transcode: text.transcode });
}
