import { languageByContent } from '../code/languageByContent.ts';
import { sharedLanguage } from '../code/sharedExtensions.ts';
import type { DetectionSettings, Found } from '../detect.ts';
import { isNamedText, languageOf, textTypeOf } from '../languages.ts';
import { decoder } from '../text/charset.ts';
import { modalityOf } from './mediaTypes.ts';
import { type TextType, textTypeByContent } from './textTypes.ts';
import { ruledType } from './typeRules.ts';

/** WHATWG name of a charset, and how sure it is. */
export interface KnownCharset {
  readonly charset: string;
  /** 0 to 1. */
  readonly confidence: number;
}

const SVG = 'image/svg+xml';
/** Languages in whose files other formats may stand as they are, to be filled in. */
const TEMPLATES: ReadonlySet<string> = new Set(['php', 'vue', 'svelte']);
/** Confidence in a language that shares its extension with another. */
const SHARED = 0.9;
/** Bytes that tell what a text is where a character has two or four of them. */
const WIDE_HEAD = 16 << 10;

/** Text of a charset, by what it holds, what the file name says, and what the source and the caller say. */
export function textFound(bytes: Uint8Array, known: KnownCharset, uri: string, settings: DetectionSettings): Found {
  const { charset } = known;
  const stated = settings.modality ?? settings.stated;
  const ruled = ruledType(uri, settings.types);
  if (ruled !== undefined) {
    const modality = settings.modality ?? modalityOf(ruled);
    const language = modality === 'code' ? (/^text\/x-(.*)$/.exec(ruled)?.[1] ?? languageOf(uri)) : undefined;
    return { modality, mediaType: ruled, confidence: known.confidence, charset, language };
  }
  const { mediaType, language, ...type } = typeOf(bytes, charset, uri, stated === undefined || stated === 'code');
  const confidence = Math.min(known.confidence, type.confidence);
  if (mediaType === SVG && (stated ?? 'image') === 'image') return { modality: 'image', mediaType, confidence };
  const modality = stated ?? (language === undefined ? 'text' : 'code');
  return { modality, mediaType, confidence, charset, language: modality === 'code' ? language : undefined };
}

interface LanguageType extends TextType {
  readonly language?: string | undefined;
}

/** What its first lines say for certain goes before its name, and its name before what is guessed. */
function typeOf(bytes: Uint8Array, charset: string, uri: string, code: boolean): LanguageType {
  const language = languageOf(uri);
  const head = language !== undefined && TEMPLATES.has(language) ? undefined : headOf(bytes, charset);
  const content = head === undefined ? undefined : textTypeByContent(head);
  const named = textTypeOf(uri);
  if (content !== undefined && (content.confidence === 1 || (language === undefined && !isNamedText(uri))))
    return content;
  if (language !== undefined) {
    const shared = head === undefined ? undefined : sharedLanguage(uri, head);
    return shared === undefined || shared === language
      ? { mediaType: named, confidence: 1, language }
      : { mediaType: textTypeOf(uri, shared), confidence: SHARED, language: shared };
  }
  const guess = code && head !== undefined ? languageByContent(head, uri) : undefined;
  if (guess !== undefined) return { ...guess, mediaType: textTypeOf(uri, guess.language) };
  // Pictures are pictures by what they hold alone.
  return { mediaType: named === SVG ? 'text/plain' : named, confidence: 1 };
}

/** The text, or its beginning, in a charset that has ASCII within; undefined where it is not to be had. */
function headOf(bytes: Uint8Array, charset: string): Uint8Array | undefined {
  if (!/^utf-(16|32)/.test(charset)) return bytes;
  try {
    return Buffer.from(decoder(charset).decode(bytes.subarray(0, WIDE_HEAD), false));
  } catch {
    return undefined;
  }
}
