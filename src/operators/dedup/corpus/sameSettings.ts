import { PipelineError } from '../../../errors.ts';
import { canonicalJson, type JsonValue } from '../../../json.ts';
import type { CorpusSettings } from '../../../lsh/corpus/parts.ts';

/**
 * A corpus can be deduplicated against another one when both are signed alike, and both kept their texts where these are
 * compared. Throws PipelineError `OTHER_INDEX`.
 */
export function requireSameSettings(own: CorpusSettings, other: CorpusSettings, folder: string): void {
  const keys = ['shingle', 'components', 'banding', 'near', 'verify'] as const;
  const differing = keys.filter(
    (key) => canonicalJson(own[key] as unknown as JsonValue) !== canonicalJson(other[key] as unknown as JsonValue),
  );
  if (differing.length === 0) return;
  const [first = 'shingle'] = differing;
  throw new PipelineError(
    `the index was made with another ${differing.join(', ')}: ${JSON.stringify(other[first])} in place of ${JSON.stringify(own[first])}`,
    {
      code: 'OTHER_INDEX',
      path: folder,
      hint: 'use the same options, or deduplicate the earlier corpus again with these',
    },
  );
}
