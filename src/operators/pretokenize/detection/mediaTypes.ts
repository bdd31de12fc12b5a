import type { Modality } from '../../../records.ts';

const ARCHIVES: ReadonlySet<string> = new Set([
  'application/epub+zip',
  'application/gzip',
  'application/java-archive',
  'application/lzip',
  'application/vnd.android.package-archive',
  'application/vnd.apple.keynote',
  'application/vnd.apple.numbers',
  'application/vnd.apple.pages',
  'application/vnd.ms-cab-compressed',
  'application/vnd.rar',
  'application/vnd.visio',
  'application/x-7z-compressed',
  'application/x-ace-compressed',
  'application/x-arj',
  'application/x-brotli',
  'application/x-bzip2',
  'application/x-compress',
  'application/x-cpio',
  'application/x-deb',
  'application/x-gtar',
  'application/x-gzip',
  'application/x-lz4',
  'application/x-lzh-compressed',
  'application/x-rar-compressed',
  'application/x-rpm',
  'application/x-snappy-framed',
  'application/x-tar',
  'application/x-unix-archive',
  'application/x-xar',
  'application/x-xpinstall',
  'application/x-xz',
  'application/zip',
  'application/zstd',
  'model/3mf',
]);
/** Office documents that are ZIP archives, templates and such with macros included. */
const DOCUMENTS =
  /^application\/vnd\.(openxmlformats-officedocument\.|oasis\.opendocument\.|ms-(word|excel|powerpoint)\..*macroenabled)/;
const TEXTS =
  /^(text\/.*|message\/.*|application\/(json|jsonl|xml|yaml|toml|rtf|postscript|sql|mbox|javascript|ecmascript|x-(tex|subrip|ndjson|pem-file|sh)|.*\+(json|xml|yaml)))$/;

/** A media type without its parameters, in lower case. */
export const bareType = (mediaType: string): string => mediaType.replace(/;.*$/s, '').trim().toLowerCase();

/** Containers of video whose types do not say so. */
const VIDEOS: ReadonlySet<string> = new Set(['application/mxf', 'application/vnd.rn-realmedia']);

/** What bytes of a media type are taken apart as; `binary` for a type that nothing is known of. */
export function modalityOf(mediaType: string): Modality {
  const family = mediaType.slice(0, mediaType.indexOf('/'));
  if (family === 'image' || family === 'audio' || family === 'video') return family;
  if (mediaType === 'application/pdf') return 'pdf';
  if (VIDEOS.has(mediaType)) return 'video';
  if (ARCHIVES.has(mediaType) || DOCUMENTS.test(mediaType)) return 'archive';
  if (TEXTS.test(mediaType)) return mediaType.startsWith('text/x-') ? 'code' : 'text';
  return 'binary';
}
