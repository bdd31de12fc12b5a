import type { Modality } from '../../records.ts';
import { Failure } from '../../sources/failure.ts';
import type { Settings } from './settings.ts';

/** What the names of files say that are decoded as a whole: of a part that is not the first, content tells nothing. */
const NAMED: readonly (readonly [Modality, RegExp])[] = [
  ['image', /\.(avif|bmp|gif|hei[cf]|jp2|jpe?g|jxl|png|psd|tiff?|webp)$/i],
  ['audio', /\.(aac|ac3|aif[cf]?|amr|ape|caf|flac|m4a|mka|mp[123]|oga|ogg|opus|wav|wma|wv)$/i],
  ['video', /\.(3gp|asf|avi|flv|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|ogv|vob|webm|wmv)$/i],
  ['pdf', /\.pdf$/i],
  ['archive', /\.(7z|apk|bz2|docx|epub|gz|jar|odp|ods|odt|pptx|rar|t[bgx]z2?|tar|xlsx|xz|zip|zst)$/i],
];

/**
 * Refuses a part of a file that is decoded as a whole or not at all: sources cut larger files than their `maxDocumentBytes`
 * into parts, which text, code and plain bytes bear.
 *
 * @throws Failure `PART_OF_FILE`
 */
export function requireWhole(modality: Modality, uri: string, { modalities }: Settings): void {
  const of = modality === 'binary' ? (NAMED.find(([, names]) => names.test(uri))?.[0] ?? modality) : modality;
  if (of === 'text' || of === 'code' || of === 'binary' || modalities[of] === false) return;
  throw new Failure(
    'PART_OF_FILE',
    `${of} is decoded as a whole, and the file is larger than the source's maxDocumentBytes: it comes in parts`,
    'Raise maxDocumentBytes of the source; pipelines that come with sluice have --max-file-bytes.',
  );
}
