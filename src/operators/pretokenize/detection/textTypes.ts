import { ascii } from './magic.ts';

/** What the first characters of a text say that it is. */
export interface TextType {
  readonly mediaType: string;
  /** 0 to 1. */
  readonly confidence: number;
}

/** Bytes in which it must show. */
const HEAD = 4096;

/** Beginnings that are exact. */
const BEGINNINGS: readonly (readonly [RegExp, string])[] = [
  [/^\{\\rtf\d?[\\{ ]/, 'application/rtf'],
  [/^%!PS-Adobe-\d/, 'application/postscript'],
  [/^BEGIN:VCARD\r?\n/i, 'text/vcard'],
  [/^BEGIN:VCALENDAR\r?\n/i, 'text/calendar'],
  [/^WEBVTT(?:[ \t].*)?\r?\n/, 'text/vtt'],
  [/^\d{1,6}\r?\n\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}/, 'application/x-subrip'],
  [/^#EXTM3U[ \t]*\r?\n/, 'application/vnd.apple.mpegurl'],
  [/^-----BEGIN [A-Z0-9 ]{1,60}-----\r?\n/, 'application/x-pem-file'],
  [/^(?:diff --git a\/|--- [^\n]+\n\+\+\+ [^\n]+\n@@ )/, 'text/x-diff'],
  [/^From \S+@\S+ +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [^\n]*\n[A-Za-z-]+: /, 'application/mbox'],
];

/** XML elements that a document may consist of. */
const ROOTS: Readonly<Record<string, string>> = {
  svg: 'image/svg+xml',
  html: 'text/html',
  rss: 'application/rss+xml',
  feed: 'application/atom+xml',
  kml: 'application/vnd.google-earth.kml+xml',
  gpx: 'application/gpx+xml',
};

/** Comments, instructions and declarations before the first element; one at a time, so that none is gone over twice. */
const PROLOGUE = [/^\s+/, /^<\?[^>]*\?>/, /^<!--[\s\S]*?-->/, /^<!DOCTYPE\s+([\w:-]+)(?:[^>[]|\[[^\]]*\])*>/i] as const;

function markupType(head: string): string | undefined {
  let rest = head;
  let declared: string | undefined;
  const xml = /^\s*<\?xml\s/.test(head);
  for (;;) {
    const found = PROLOGUE.map((part) => part.exec(rest)).find((match) => match !== null);
    if (found === undefined) break;
    declared ??= found[1]?.toLowerCase();
    rest = rest.slice(found[0].length);
  }
  const root = /^<(?:[\w-]+:)?([A-Za-z][\w-]*)(?=[\s/>])/.exec(rest)?.[1]?.toLowerCase();
  if (declared === 'html' || root === 'html') return xml ? 'application/xhtml+xml' : 'text/html';
  const type = root !== undefined && Object.hasOwn(ROOTS, root) ? ROOTS[root] : undefined;
  // Words in angle brackets are no document; a name space, or a declaration before, makes one.
  if (type !== undefined && (xml || declared === root || /^<[^>]*\s(?:xmlns|version|width|viewBox)[\s:=]/.test(rest))) {
    return type;
  }
  return xml ? 'application/xml' : undefined;
}

const OBJECT = String.raw`\{\s*(?:\}|"(?:[^"\\]|\\.){0,500}"\s*:)`;
const JSON_OBJECT = new RegExp(`^\\s*${OBJECT}`);
const JSON_ARRAY = new RegExp(
  String.raw`^\s*\[\s*(?:\]|${OBJECT}|"(?:[^"\\]|\\.){0,500}"\s*[,\]]|\[|(?:-?\d[\d.eE+-]*|true|false|null)\s*,)`,
);

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** By how it begins and by its last character: what is between is for whoever parses it. */
function jsonType(head: string, bytes: Uint8Array): string | undefined {
  const object = JSON_OBJECT.test(head);
  if (!object && !JSON_ARRAY.test(head)) return undefined;
  let end = bytes.length;
  while (end > 0 && isSpace(bytes[end - 1])) end--;
  if (bytes[end - 1] !== (object ? 0x7d : 0x5d)) return undefined;
  const line = /^[^\n]*/.exec(head)?.[0].trimEnd() ?? '';
  const next = head.slice(line.length).trimStart();
  return object && line.endsWith('}') && JSON_OBJECT.test(next) ? 'application/jsonl' : 'application/json';
}

const FIELD = /^([A-Za-z][A-Za-z0-9-]*):[ \t][^\n]*\n(?:[ \t][^\n]*\n)*/;
/** Fields that hardly anything but a message has. */
const TELLING = /^(received|message-id|mime-version|return-path|delivered-to|dkim-signature)$/;

/** Header fields as RFC 5322 has them, three or more, and among them such as name a message. */
function isMessage(head: string): boolean {
  const names = new Set<string>();
  let rest = head;
  for (let field = FIELD.exec(rest); field !== null; field = FIELD.exec(rest)) {
    names.add(field[1]?.toLowerCase() ?? '');
    rest = rest.slice(field[0].length);
  }
  if (names.size < 3) return false;
  const telling = [...names].some((name) => TELLING.test(name));
  return (
    (telling && (names.has('from') || names.has('date'))) ||
    (names.has('from') && names.has('to') && names.has('subject'))
  );
}

/** Headings alone are comments of many languages; with fences or links they are Markdown. */
const isMarkdown = (head: string): boolean =>
  /^#{1,6} \S/m.test(head) && /^```|\]\((?:https?:\/\/|\.{0,2}\/|#|[\w-]+\.)/m.test(head);

/**
 * What a text is by its first 4 kB, if that shows; undefined where it is just text. Cheap: it is asked of every record.
 * @param bytes ASCII, or a charset that has it within
 */
export function textTypeByContent(bytes: Uint8Array): TextType | undefined {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb ? 3 : 0;
  const head = ascii(bytes, start, start + HEAD);
  const exact = (mediaType: string | undefined): TextType | undefined =>
    mediaType === undefined ? undefined : { mediaType, confidence: 1 };
  const [first = ''] = head.trimStart();
  if (first === '<') return exact(markupType(head));
  if (first === '[' || first === '{') {
    const json = jsonType(head, bytes);
    if (json !== undefined) return { mediaType: json, confidence: 1 };
  }
  const beginning = BEGINNINGS.find(([pattern]) => pattern.test(head));
  if (beginning !== undefined) return exact(beginning[1]);
  if (isMessage(head)) return { mediaType: 'message/rfc822', confidence: 0.95 };
  return isMarkdown(head) ? { mediaType: 'text/markdown', confidence: 0.8 } : undefined;
}
