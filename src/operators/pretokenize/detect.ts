import { isUtf8 } from 'node:buffer';
import { fileTypeFromBuffer } from 'file-type';
import type { Modality } from '../../records.ts';
import { languageOf, textTypeOf } from './languages.ts';
import { decodes, guessCharset, isIso2022Jp, utf8Faults, utf16WithoutMark } from './text/charset.ts';

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
}

/** Bytes at the beginning that decide between text and binary. */
const HEAD = 64 << 10;
/** Control characters per byte above which bytes are not text; random bytes have a tenth. */
const CONTROLS = 0.02;

interface Charset {
  readonly charset: string;
  readonly confidence: number;
}

const text = (charset: string, confidence = 1): Charset => ({ charset, confidence });

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

function controls(head: Uint8Array): Controls {
  let count = 0;
  let nul = false;
  for (const byte of head) {
    if (byte >= 0x20 ? byte === 0x7f : byte < 0x09 || (byte > 0x0d && byte !== 0x1b)) {
      count++;
      if (byte === 0) nul = true;
    }
  }
  return { nul, share: count / Math.max(1, head.length) };
}

const startsWith = (bytes: Uint8Array, ascii: string): boolean =>
  bytes.length >= ascii.length && [...ascii].every((char, at) => bytes[at] === char.charCodeAt(0));

/**
 * The common case without waiting: text by its mark or by being valid UTF-8. Such bytes are text even where a format's
 * magic is made of letters (a bitmap file begins with `BM`); PDF alone is a binary format that may be all letters.
 * Undefined where the bytes must be looked at more closely.
 */
function plainText(bytes: Uint8Array): Charset | undefined {
  const head = bytes.subarray(0, HEAD);
  const mark = byteOrderMark(bytes);
  if (mark !== undefined && mark !== 'utf-8' && decodes(head, mark)) return text(mark);
  const { nul, share } = controls(head);
  if (nul) {
    const charset = utf16WithoutMark(bytes);
    return charset === undefined ? undefined : text(charset, 0.9);
  }
  if (share > CONTROLS || startsWith(bytes, '%PDF-') || !isUtf8(bytes)) return undefined;
  return text(isIso2022Jp(bytes) ? 'iso-2022-jp' : 'utf-8');
}

const ARCHIVES = /(zip|gzip|x-tar|x-7z|x-rar|zstd|x-xz|bzip2|x-lz|lzip|compress|x-cpio|x-unix-archive)/;

function modalityOf(mime: string): Modality {
  const family = mime.slice(0, mime.indexOf('/'));
  if (family === 'image' || family === 'audio' || family === 'video') return family;
  if (mime === 'application/pdf') return 'pdf';
  return ARCHIVES.test(mime) ? 'archive' : 'binary';
}

/** Text of a charset, by what the file name and the source say of it. */
function textFound({ charset, confidence }: Charset, uri: string, settings: DetectionSettings): Found {
  const language = languageOf(uri);
  const modality = settings.modality ?? settings.stated ?? (language === undefined ? 'text' : 'code');
  return {
    modality,
    mediaType: textTypeOf(uri),
    confidence,
    charset,
    language: modality === 'code' ? language : undefined,
  };
}

/** Text by its mark or by being valid UTF-8, told at once; undefined where bytes must be looked at more closely. */
export function detectText(bytes: Uint8Array, uri: string, settings: DetectionSettings): Found | undefined {
  const found = plainText(bytes);
  if (found !== undefined) return textFound(found, uri, settings);
  const stated = settings.modality ?? settings.stated;
  // Whoever says text means text, however the bytes look.
  if ((stated === 'text' || stated === 'code') && utf8Faults(bytes) === undefined) {
    return textFound(text('utf-8'), uri, settings);
  }
  return undefined;
}

/**
 * Tells what bytes are: text, a known format by its magic, text in an older charset or damaged, or just bytes. Nothing in
 * them is followed or executed.
 */
export async function detect(bytes: Uint8Array, uri: string, settings: DetectionSettings): Promise<Found> {
  const found = detectText(bytes, uri, settings);
  if (found !== undefined) return found;
  const stated = settings.modality ?? settings.stated;
  // A detector that stumbles over a file has not recognised it.
  const type = await fileTypeFromBuffer(bytes).catch(() => undefined);
  if (type !== undefined) return { modality: stated ?? modalityOf(type.mime), mediaType: type.mime, confidence: 1 };
  const { nul, share } = controls(bytes.subarray(0, HEAD));
  if (nul || share > CONTROLS) {
    return { modality: stated ?? 'binary', mediaType: 'application/octet-stream', confidence: 1 };
  }
  if (settings.fallbackCharset !== undefined) return textFound(text(settings.fallbackCharset), uri, settings);
  const guess = guessCharset(bytes);
  if (guess.kind === 'charset') return textFound(text(guess.charset, guess.confidence), uri, settings);
  const { offset, guess: charset } = guess;
  return { ...textFound(text('utf-8'), uri, settings), damage: { offset, guess: charset } };
}
