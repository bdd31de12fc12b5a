import type Sqlite from 'better-sqlite3';
import { SluiceError } from '../errors.ts';
import { PATCH_FIELDS, partColumn, QUANTIZATION_KEY, rowColumn } from '../quantization/fieldTensors.ts';
import type { Complain } from './checkNumbers.ts';
import {
  type CheckedField,
  type ExpectedQuantized,
  floatFields,
  noQuantizers,
  type OpenQuantizers,
  openFields,
  RowsCheck,
} from './checkQuantized.ts';
import { openSqlite } from './sqlite.ts';

type PatchField = (typeof PATCH_FIELDS)[number];

/** What a commit record says of a database; `patches` and `rows` are undefined where it holds documents alone. */
export interface ExpectedTables extends ExpectedQuantized {
  readonly format: string;
  readonly documents: number;
  readonly rows: number | undefined;
  readonly patches: number | undefined;
  readonly bytes: number;
}

type Fault = readonly [sql: string, what: string];

/** Rows that must not be there, and what to say of the first. */
const DOCUMENT_FAULTS: readonly Fault[] = [
  ['SELECT document FROM documents WHERE NOT json_valid(meta)', 'has no metadata in document'],
  [
    'SELECT document FROM (SELECT document, row_number() OVER (ORDER BY document) - 1 AS n FROM documents) WHERE document <> n',
    'does not count documents from 0 on: document',
  ],
];

const CONTENT_FAULTS: readonly Fault[] = [
  ['SELECT document FROM documents WHERE (text IS NULL) = (bytes IS NULL)', 'has not one content in document'],
];

const PATCH_FAULTS: readonly Fault[] = [
  [
    'SELECT document FROM documents d WHERE num_patches <> (SELECT count(*) FROM patches p WHERE p.document = d.document)',
    'has another number of patches than it tells in document',
  ],
  [
    'SELECT document FROM documents d WHERE total_bytes <> (SELECT coalesce(sum(length(bytes)), 0) FROM patches p WHERE p.document = d.document)',
    'has other bytes than it tells in document',
  ],
  ['SELECT patch FROM patches WHERE length(bytes) < 1', 'has no bytes in patch'],
  ['SELECT patch FROM patches WHERE NOT abs(coherence) < 1e39', 'has a number that cannot be in patch'],
  ['SELECT patch FROM patches WHERE document NOT IN (SELECT document FROM documents)', 'has no document for patch'],
  [
    'SELECT patch FROM (SELECT patch, document, patch_index, lag(document) OVER w AS d, lag(patch_index) OVER w AS i FROM patches WINDOW w AS (ORDER BY patch)) WHERE document < d OR (document = d AND patch_index <> i + 1)',
    'has patches out of order: patch',
  ],
];

/** Of fields that can be quantized, where their float32 values are there. */
const FIELD_FAULTS: Readonly<Record<PatchField, Fault>> = {
  embeddings: [
    'SELECT patch FROM patches p JOIN documents d USING (document) WHERE length(embedding) <> 4 * embed_dim',
    'has an embedding of another width in patch',
  ],
  prominence: [
    'SELECT patch FROM patches WHERE NOT prominence BETWEEN 0 AND 1e39',
    'has a number that cannot be in patch',
  ],
  entropy: [
    'SELECT patch FROM patches WHERE NOT entropy BETWEEN -1e-3 AND 1e39',
    'has a number that cannot be in patch',
  ],
};

/**
 * Checks a `sluice_documents_sqlite_v1` or `sluice_patches_sqlite_v1` database: that SQLite finds it sound; numbers of documents
 * from 0 on; one content for each, or patches that are as many and as long as told, in order, with finite numbers, and quantized
 * fields that can be decoded; and the counts of the commit.
 *
 * @throws SluiceError `BAD_DATABASE` where the file is no database or lacks a table
 */
export async function checkTables(
  file: string,
  expected: ExpectedTables,
  complain: Complain,
  open: OpenQuantizers = noQuantizers,
): Promise<void> {
  const db = await openSqlite(file, { readonly: true, fileMustExist: true });
  try {
    const text = db.prepare<[string], string>('SELECT value FROM meta WHERE key = ?').pluck().get(QUANTIZATION_KEY);
    const claim = { text, fields: PATCH_FIELDS, quantized: expected.quantized };
    const fields = await openFields(claim, open, complain);
    if (fields !== undefined) check(db, expected, fields, complain);
  } catch (cause) {
    throw new SluiceError(`cannot be read: ${(cause as Error).message}`, { code: 'BAD_DATABASE', path: file, cause });
  } finally {
    db.close();
  }
}

function check(
  db: Sqlite.Database,
  { format, ...expected }: ExpectedTables,
  fields: readonly CheckedField[],
  complain: Complain,
): void {
  const one = <R>(sql: string): R | undefined => db.prepare<[], R>(sql).pluck().get();
  const sound = one<string>('PRAGMA integrity_check(1)');
  if (sound !== 'ok') complain(`is damaged: ${sound}`);
  const told = one<string>("SELECT value FROM meta WHERE key = 'format'");
  if (told !== format) complain(`says that it is '${told ?? ''}', and it should be '${format}'`);
  const isPatches = expected.patches !== undefined;
  const columns = db.prepare<[], string>("SELECT name FROM pragma_table_info('patches')").pluck().all();
  const hasColumn = (field: PatchField): boolean => columns.includes(rowColumn(field));
  const wanted = isPatches ? floatFields(PATCH_FIELDS, fields, hasColumn) : [];
  for (const field of wanted) if (!hasColumn(field)) complain(`has no column '${rowColumn(field)}'`);
  const floats = wanted.filter(hasColumn);
  const faults = [
    ...DOCUMENT_FAULTS,
    ...(isPatches ? PATCH_FAULTS : CONTENT_FAULTS),
    ...floats.map((field) => FIELD_FAULTS[field]),
  ];
  for (const [sql, what] of faults) {
    const found = one<number>(`${sql} LIMIT 1`);
    if (found !== undefined) complain(`${what} ${found}`);
  }
  if (isPatches) checkParts(db, fields, complain);
  const counts = isPatches
    ? {
        rows: 'SELECT count(*) FROM documents',
        documents: 'SELECT count(*) FROM documents WHERE part = 0',
        patches: 'SELECT count(*) FROM patches',
        bytes: 'SELECT coalesce(sum(total_bytes), 0) FROM documents',
      }
    : {
        documents: 'SELECT count(*) FROM documents',
        bytes: 'SELECT coalesce(sum(coalesce(octet_length(text), length(bytes))), 0) FROM documents',
      };
  for (const [key, sql] of Object.entries(counts)) {
    const [found, count] = [one<number>(sql), expected[key as keyof typeof expected]];
    if (found !== count) complain(`holds ${found} ${key}, and was committed with ${count}`);
  }
}

function checkParts(db: Sqlite.Database, fields: readonly CheckedField[], complain: Complain): void {
  for (const field of fields) {
    const { stored, quantizer } = field;
    const columns = quantizer.parts.map((part) => `"${partColumn(rowColumn(stored.field as PatchField), part.name)}"`);
    const select = db.prepare<[], [number, ...unknown[]]>(
      `SELECT patch, ${columns.join(', ')} FROM patches ORDER BY patch`,
    );
    const check = new RowsCheck(field, (patch, what) => complain(`has ${what} of patch ${patch}`));
    for (const [patch, ...values] of select.raw().iterate()) check.add(patch, 1, values);
    check.end();
    if (stored.field !== 'embeddings') continue;
    const other = db.prepare<[number], number>('SELECT document FROM documents WHERE embed_dim <> ? LIMIT 1').pluck();
    const document = other.get(quantizer.columns);
    if (document !== undefined)
      complain(`has quantized embeddings of ${quantizer.columns} columns, and tells otherwise in document ${document}`);
  }
}
