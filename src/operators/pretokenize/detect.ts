import { isUtf8 } from 'node:buffer';
import type { Modality } from '../../records.ts';
import { isReally } from './detection/fewBytes.ts';
import { isAr, isPdf, magicType } from './detection/magic.ts';
import { bareType, modalityOf } from './detection/mediaTypes.ts';
import { netpbmType } from './detection/netpbm.ts';
import { type KnownCharset, textFound } from './detection/textFound.ts';
import { trackType } from './detection/tracks.ts';
import { ruledType, type TypeRule } from './detection/typeRules.ts';
import { zipType } from './detection/zipType.ts';
import { decodes, guessCharset, isIso2022Jp, utf8Faults, utf16WithoutMark } from './text/charset.ts';
import { statedCharset } from './text/statedCharset.ts';

/** What bytes are. */
export interface Found {
  readonly modality: Modality;
  readonly mediaType: string;
  /** 0 to 1. */
  readonly confidence: number;
  /** WHATWG name, where it is text; `utf-8` where the bytes are valid UTF-8, ASCII included. */
  readonly charset?: string | undefined;
  /** Programming language, where it is code. */
  readonly language?: string | undefined;
  /** UTF-8 with faults that no older charset explains. */
  readonly damage?: { readonly offset: number; readonly guess: string | undefined } | undefined;
}

/** What is known without looking. */
export interface DetectionSettings {
  /** Modality of everything, whatever it looks like. */
  readonly modality: Modality | undefined;
  /** Charset of what is text but not UTF-8; nothing is guessed then. */
  readonly fallbackCharset: string | undefined;
  /** What the source says of this record. */
  readonly stated?: Modality | undefined;
  /** Media types by name, which go before anything that is found. */
  readonly types?: readonly TypeRule[] | undefined;
}

/** Bytes at the beginning that decide between text and binary. */
const HEAD = 64 << 10;
/** Control characters per byte above which bytes are not text; random bytes have a tenth. */
const CONTROLS = 0.02;

const text = (charset: string, confidence = 1): KnownCharset => ({ charset, confidence });

/** The charset that a byte-order mark at the beginning names (Unicode 16, section 23.8). */
function byteOrderMark(bytes: Uint8Array): string | undefined {
  const [a, b, c, d] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8';
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 && bytes.length % 4 === 0 ? 'utf-32le' : 'utf-16le';
  if (a === 0xfe && b === 0xff) return 'utf-16be';
  return a === 0 && b === 0 && c === 0xfe && d === 0xff ? 'utf-32be' : undefined;
}

interface Controls {
  readonly nul: boolean;
  readonly share: number;
}

/** 1 for control characters that text does not have; escapes and separators of lines are text. */
const IS_CONTROL = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === 0x7f || (byte < 0x20 && (byte < 0x09 || byte > 0x0d) && byte !== 0x1b) ? 1 : 0,
);

function controls(head: Uint8Array): Controls {
  let count = 0;
  for (let at = 0; at < head.length; at++) count += IS_CONTROL[head[at] ?? 0] ?? 0;
  return { nul: count > 0 && head.includes(0), share: count / Math.max(1, head.length) };
}

/**
 * The common case without waiting: text by its mark or by being valid UTF-8. Such bytes are text even where a format's
 * magic is made of letters (a bitmap file begins with `BM`); PDF, Netpbm and `ar` alone are other formats that may
 * be all letters. Undefined where the bytes must be looked at more closely.
 */
function plainText(bytes: Uint8Array): KnownCharset | undefined {
  const head = bytes.subarray(0, HEAD);
  const mark = byteOrderMark(bytes);
  if (mark !== undefined && mark !== 'utf-8' && decodes(head, mark)) return text(mark);
  const { nul, share } = controls(head);
  if (nul) {
    const charset = utf16WithoutMark(bytes);
    return charset === undefined ? undefined : text(charset, 0.9);
  }
  if (share > CONTROLS || isPdf(bytes) || isAr(bytes) || netpbmType(bytes) !== undefined || !isUtf8(bytes)) {
    return undefined;
  }
  return text(isIso2022Jp(bytes) ? 'iso-2022-jp' : 'utf-8');
}

/** Text by its mark or by being valid UTF-8, told at once; undefined where bytes must be looked at more closely. */
export function detectText(bytes: Uint8Array, uri: string, settings: DetectionSettings): Found | undefined {
  const stated = statedModality(uri, settings);
  const found = plainText(bytes);
  if (found !== undefined) return textFound(bytes, found, uri, settings);
  // Whoever says text means text, however the bytes look.
  if ((stated === 'text' || stated === 'code') && utf8Faults(bytes) === undefined) {
    return textFound(bytes, text('utf-8'), uri, settings);
  }
  return undefined;
}

/** What is said of a record without looking into it: by the caller for all, for its name, by its source. */
function statedModality(uri: string, { modality, types, stated }: DetectionSettings): Modality | undefined {
  const ruled = ruledType(uri, types);
  return modality ?? (ruled === undefined ? stated : modalityOf(ruled));
}

/** Formats that text may begin like: their type is believed only where the bytes look like no text. */
async function binaryType(bytes: Uint8Array, like: boolean): Promise<string | undefined> {
  const own = zipType(bytes) ?? magicType(bytes, like);
  if (own !== undefined) return own;
  if (like && !/[^\t\n\r\x20-\x7e]/.test(Buffer.from(bytes.subarray(0, 4)).toString('latin1'))) return undefined;
  const { fileTypeFromBuffer } = await import('file-type');
  // A detector that stumbles over a file has not recognised it.
  const type = await fileTypeFromBuffer(bytes).catch(() => undefined);
  if (type === undefined) return undefined;
  const mediaType = bareType(type.mime);
  if (!isReally(mediaType, bytes)) return undefined;
  return trackType(bytes, mediaType) ?? RENAMED[mediaType] ?? mediaType;
}

/** Types of file-type that have a registered name. */
const RENAMED: Readonly<Record<string, string>> = {
  'video/mp1s': 'video/mpeg',
  'video/mp2p': 'video/mpeg',
  'audio/x-m4a': 'audio/mp4',
};

/**
 * Tells what bytes are: text, a known format by its magic, text in an older charset or damaged, or just bytes. Nothing in
 * them is followed or executed.
 */
export async function detect(bytes: Uint8Array, uri: string, settings: DetectionSettings): Promise<Found> {
  const found = detectText(bytes, uri, settings);
  if (found !== undefined) return found;
  const stated = statedModality(uri, settings);
  const ruled = ruledType(uri, settings.types);
  if (ruled !== undefined && stated !== 'text' && stated !== 'code') {
    return { modality: stated ?? 'binary', mediaType: ruled, confidence: 1 };
  }
  const { nul, share } = controls(bytes.subarray(0, HEAD));
  const like = !nul && share <= CONTROLS;
  const type = ruled === undefined ? await binaryType(bytes, like) : undefined;
  if (type !== undefined && !(like && modalityOf(type) === 'text')) {
    return { modality: stated ?? modalityOf(type), mediaType: type, confidence: WEAK[type] ?? 1 };
  }
  if (!like) {
    const named = ruled ?? binaryTypeOf(uri);
    const mediaType = named ?? 'application/octet-stream';
    const modality = stated ?? (named === undefined ? 'binary' : modalityOf(named));
    return { modality, mediaType, confidence: ruled === undefined && named !== undefined ? NAMED : 1 };
  }
  if (settings.fallbackCharset !== undefined) return textFound(bytes, text(settings.fallbackCharset), uri, settings);
  const own = statedCharset(bytes);
  if (own !== undefined) return textFound(bytes, text(own), uri, settings);
  const guess = guessCharset(bytes);
  if (guess.kind === 'charset') return textFound(bytes, text(guess.charset, guess.confidence), uri, settings);
  const { offset, guess: charset } = guess;
  return { ...textFound(bytes, text('utf-8'), uri, settings), damage: { offset, guess: charset } };
}

/** Formats without any magic, by the file's extension: its name is all there is to go by. */
const UNMARKED: Readonly<Record<string, string>> = { br: 'application/x-brotli', tga: 'image/x-tga' };
/** Confidence in a name alone. */
const NAMED = 0.5;

function binaryTypeOf(uri: string): string | undefined {
  const extension = /\.([a-z]+)$/i.exec(uri)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(UNMARKED, extension) ? UNMARKED[extension] : undefined;
}

/** Formats that are told by a few bits, or by numbers that fit: other bytes may look like them. */
const WEAK: Readonly<Record<string, number>> = {
  'application/x-coff': 0.9,
  'application/x-python-code': 0.9,
  'application/x-safetensors': 0.95,
  'audio/aac': 0.9,
  'audio/mpeg': 0.9,
  'image/x-icon': 0.9,
  'video/mpeg': 0.9,
};
