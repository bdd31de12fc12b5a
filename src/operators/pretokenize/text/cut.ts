import type { CutInput, Cutter } from '../modality.ts';
import type { View } from '../view.ts';
import { textFacts } from './facts.ts';
import { markupKind } from './markup/options.ts';
import { normalisedView } from './normalise.ts';
import type { TextSettings } from './options.ts';
import { textView } from './textView.ts';

/** Text as it is, re-encoded or normalised as asked for. */
function plainView(input: CutInput, settings: TextSettings, maxSegmentBytes: number): View {
  const { transcode, normalise } = settings;
  const facts = textFacts(input, settings);
  const view = textView(input.bytes, facts, { maxSegmentBytes, transcode });
  if (normalise === undefined) return view;
  // what is normalised is UTF-8; what needs no normalisation keeps its charset
  const utf8 = transcode ? view : textView(input.bytes, facts, { maxSegmentBytes, transcode: true });
  const normalised = normalisedView(utf8, input.bytes, normalise);
  return normalised === utf8 ? view : normalised;
}

export const cutText: Cutter<TextSettings> = async (input, settings, context) => {
  const { units, normalise } = settings;
  const kind = markupKind(input, settings.markup);
  if (kind !== undefined) {
    const { markupCuts } = await import('./markup/cut.ts');
    const cuts = await markupCuts(kind, input, settings, context);
    return units.kind === 'document' ? cuts : (await import('./units/cut.ts')).inUnits(cuts, input, units, context);
  }
  if (units.kind === 'document') return [plainView(input, settings, context.maxSegmentBytes)];
  const { inUnits, unitsView } = await import('./units/cut.ts');
  const facts = textFacts(input, settings);
  if (normalise !== undefined) {
    const view = plainView(input, settings, context.maxSegmentBytes);
    if (view.derived !== undefined) return inUnits([view], input, units, context);
  }
  return [await unitsView(input.bytes, facts, settings, context)];
};
