/** Documents that are ZIP archives of parts. */
export type DocumentKind = 'docx' | 'xlsx' | 'pptx' | 'odt' | 'ods' | 'odp' | 'epub';

const KINDS: readonly (readonly [RegExp, DocumentKind])[] = [
  [/^application\/vnd\.(openxmlformats-officedocument\.wordprocessingml\.|ms-word\..*macroenabled)/, 'docx'],
  [
    /^application\/vnd\.(openxmlformats-officedocument\.spreadsheetml\.|ms-excel\.(?!sheet\.binary).*macroenabled)/,
    'xlsx',
  ],
  [/^application\/vnd\.(openxmlformats-officedocument\.presentationml\.|ms-powerpoint\..*macroenabled)/, 'pptx'],
  [/^application\/vnd\.oasis\.opendocument\.text/, 'odt'],
  [/^application\/vnd\.oasis\.opendocument\.spreadsheet/, 'ods'],
  [/^application\/vnd\.oasis\.opendocument\.(presentation|graphics)/, 'odp'],
  [/^application\/epub\+zip$/, 'epub'],
];

/** What kind of document a media type is; undefined for other archives. */
export const documentKind = (mediaType: string): DocumentKind | undefined =>
  KINDS.find(([pattern]) => pattern.test(mediaType))?.[1];
