import { bytes, count, plural } from '../cli/format.ts';
import type { Quality } from '../quantization/quality.ts';
import type { Inspection } from './inspect.ts';
import type { QuantizationInspection } from './quantizationReport.ts';

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const levels = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** A horizontal bar of `share` (0 to 1) of `width` columns, an eighth of a column exact. Something is never nothing. */
export function bar(share: number, width: number): string {
  const parts = share > 0 ? Math.max(1, Math.round(share * width * 8)) : 0;
  return '█'.repeat(Math.floor(parts / 8)) + (eighths[parts % 8] ?? '');
}

/** Counts as columns of a picture `rows` lines high, highest first. */
export function columns(counts: readonly number[], rows: number): string[] {
  const most = Math.max(1, ...counts);
  const heights = counts.map((value) => (value > 0 ? Math.max(1, Math.round((value / most) * rows * 8)) : 0));
  return Array.from({ length: rows }, (_, row) => {
    const floor = (rows - 1 - row) * 8;
    return heights.map((height) => levels[Math.max(0, Math.min(8, height - floor))] ?? ' ').join('');
  });
}

/** An inspection as text for a terminal of `width` columns (40 or more). Ends without a line end. */
export function renderInspection(inspection: Inspection, width = 80): string {
  const wide = Math.max(40, width);
  const sections = [
    summary(inspection),
    modalities(inspection, wide),
    mix(inspection, wide),
    sizes(inspection, wide),
    entropy(inspection, wide),
    lengths(inspection, wide),
    quantization(inspection),
    ...duplicates(inspection, wide),
    largest(inspection, wide),
    rejects(inspection),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function summary({
  pipeline,
  splits,
  complete,
  totals,
  files,
  dedup,
  entropy: distribution,
  documents,
}: Inspection): string[] {
  const { patches = 0, bytes: total = 0, rejects: rejected = 0 } = totals;
  // an output has lines for what its sinks count
  const listed = totals.documents ?? documents?.count;
  const lines = [
    ['pipeline', pipeline],
    [
      'splits',
      complete ? count(splits.committed) : `${count(splits.committed)} of ${count(splits.planned)}, not finished`,
    ],
    ...(totals.duplicates === undefined ? [] : [['read', plural(totals.documents_read ?? 0, 'document')]]),
    ...(listed === undefined ? [] : [['documents', count(listed)]]),
    ...(totals.bytes === undefined ? [] : [['bytes', `${count(total)} (${bytes(total)})`]]),
    ...(dedup === undefined
      ? []
      : [['duplicates', `${count(dedup.duplicates)} dropped, ${count(dedup.exact)} of them with equal bytes`]]),
    ...(totals.patches === undefined || (patches === 0 && dedup !== undefined) ? [] : [['patches', count(patches)]]),
    ...(patches > 0 ? [['mean patch', `${(total / patches).toFixed(2)} bytes`]] : []),
    ...(distribution === undefined
      ? []
      : [['mean entropy', `${distribution.mean.toFixed(3)} nats a ${distribution.of === 'bytes' ? 'byte' : 'patch'}`]]),
    ['rejects', count(rejected)],
    ...files.map(({ format, files: number, bytes: size }) => ['files', `${count(number)} ${format}, ${bytes(size)}`]),
  ];
  return lines.map(([label = '', value = '']) => `${label.padEnd(14)}${value}`);
}

/** Duplicates by similarity, and clusters by size. */
function duplicates({ dedup }: Inspection, width: number): string[][] {
  if (dedup === undefined) return [];
  const { similarity, cluster_sizes } = dedup;
  const bars = (counts: Readonly<Record<string, number>>): Row[] =>
    Object.entries(counts).map(([label, value]) => ({ label, value, text: count(value) }));
  return [
    table('duplicates by similarity, from', bars(similarity), width),
    ...(cluster_sizes === undefined ? [] : [table('clusters by documents', bars(cluster_sizes), width)]),
  ];
}

interface Row {
  readonly label: string;
  readonly value: number;
  readonly text: string;
}

/** Rows of label, bar and text, the bars as long as the width allows. */
function table(title: string, rows: readonly Row[], width: number): string[] {
  const labels = Math.max(...rows.map((row) => row.label.length));
  const texts = Math.max(...rows.map((row) => row.text.length));
  const most = Math.max(1, ...rows.map((row) => row.value));
  const room = Math.max(8, width - labels - texts - 4);
  return [
    title,
    ...rows.map(({ label, value, text }) =>
      `  ${label.padEnd(labels)} ${bar(value / most, room).padEnd(room)} ${text.padStart(texts)}`.trimEnd(),
    ),
  ];
}

const percent = (part: number, whole: number): string => `${((100 * part) / Math.max(1, whole)).toFixed(1)} %`;

function modalities({ documents }: Inspection, width: number): string[] {
  if (documents === undefined || documents.count === 0) return [];
  const rows = documents.modalities.map(({ modality, documents: number, bytes: size }) => ({
    label: modality,
    value: size,
    text: `${count(number)}  ${bytes(size)}`,
  }));
  return table('documents by modality (bars: bytes)', rows, width);
}

function mix({ mix: shares = [] }: Inspection, width: number): string[] {
  if (shares.length === 0) return [];
  const all = shares.reduce((sum, share) => sum + share.bytes, 0);
  const rows = shares.map(({ modality, segments, bytes: size, mean_patch: mean }) => ({
    label: modality,
    value: size,
    text: `${percent(size, all)}  ${bytes(size)}  ${plural(segments, 'segment')}  ${mean.toFixed(2)} a patch`,
  }));
  return table('bytes that were patched, by modality', rows, width);
}

function sizes({ documents }: Inspection, width: number): string[] {
  if (documents === undefined || documents.count === 0) return [];
  const rows = documents.sizes.map(({ size, below, documents: number }) => ({
    label: `${size.padEnd(6)} ${below === null ? '' : `< ${below}`}`.trimEnd(),
    value: number,
    text: `${count(number)}  ${percent(number, documents.count)}`,
  }));
  return table('documents by size in bytes', rows, width);
}

function entropy({ entropy: distribution }: Inspection, width: number): string[] {
  if (distribution === undefined) return [];
  const { of, min, max, histogram, percentiles } = distribution;
  const room = Math.min(histogram.counts.length, width - 4);
  const merged = merge(histogram.counts, room);
  const low = min.toFixed(2);
  const high = max.toFixed(2);
  return [
    `entropy of ${of} in nats`,
    ...columns(merged, 5).map((line) => `  ${line}`.trimEnd()),
    `  ${'─'.repeat(merged.length)}`,
    `  ${low}${high.padStart(Math.max(high.length + 1, merged.length - low.length))}`,
    `  ${Object.entries(percentiles)
      .map(([name, value]) => `${name} ${value.toFixed(2)}`)
      .join('  ')}`,
  ];
}

/** Neighbouring counts added up, so that at most `room` are left. */
function merge(counts: readonly number[], room: number): number[] {
  const each = Math.ceil(counts.length / Math.max(1, room));
  return Array.from({ length: Math.ceil(counts.length / each) }, (_, i) =>
    counts.slice(i * each, (i + 1) * each).reduce((sum, value) => sum + value, 0),
  );
}

function lengths({ patch_lengths: patches }: Inspection, width: number): string[] {
  if (patches === undefined) return [];
  const rows = patches.classes.map(({ from, to, patches: number }) => ({
    label: to === from ? String(from) : `${from}-${to}`,
    value: number,
    text: `${count(number)}  ${percent(number, patches.count)}`,
  }));
  return table(`patch lengths in bytes (mean ${patches.mean.toFixed(2)}, longest ${count(patches.max)})`, rows, width);
}

/** Fields that were quantized: what they take, and what was lost. */
function quantization({ quantization: fields = [] }: Inspection): string[] {
  if (fields.length === 0) return [];
  return [
    'quantized',
    ...fields.flatMap((field) => [
      `  ${field.tensor.padEnd(16)}${field.schemes}: ${smaller(field)}`,
      ...losses(field.quality).map((line) => `  ${' '.repeat(16)}${line}`),
    ]),
  ];
}

function smaller({ bytes: size, float_bytes: before, ratio, quality }: QuantizationInspection): string {
  if (size === undefined || before === undefined || ratio === undefined) {
    return quality === undefined ? 'not measured' : `rows ${quality.ratio.toFixed(2)} times smaller than float32`;
  }
  return `${bytes(size)}, ${ratio.toFixed(2)} times smaller than ${bytes(before)} of float32`;
}

function losses(quality: Quality | undefined): string[] {
  if (quality === undefined) return [];
  const { rows, cosine, recall_at_10, mse, relative_error, max_error } = quality;
  const figure = (value: number): string => value.toPrecision(3);
  const likeness = [
    ...(cosine === undefined ? [] : [`cosine ${cosine.mean.toFixed(5)} (least ${cosine.least.toFixed(5)})`]),
    ...(recall_at_10 === undefined ? [] : [`recall@10 ${recall_at_10.toFixed(3)}`]),
  ];
  return [
    ...(likeness.length === 0 ? [] : [likeness.join(', ')]),
    `error ${(100 * relative_error).toFixed(2)} %: mean square ${figure(mse)}, largest ${figure(max_error)}; ${plural(rows, 'row')}`,
  ];
}

function largest({ documents }: Inspection, width: number): string[] {
  if (documents === undefined || documents.largest.length === 0) return [];
  return [
    'largest documents',
    ...documents.largest.map(({ bytes: size, modality, uri, id }) => {
      const name = printable(id.includes(uri) ? id : `${uri}  ${id}`);
      const line = `  ${bytes(size).padStart(8)}  ${modality.padEnd(7)} `;
      return `${line}${name.length > width - line.length ? `${name.slice(0, width - line.length - 1)}…` : name}`;
    }),
  ];
}

/** Names come from the input: characters that would move the cursor or change colours are shown as such. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

function rejects({ rejects: kinds }: Inspection): string[] {
  if (kinds.length === 0) return [];
  const widest = Math.max(...kinds.map(({ count: number }) => count(number).length));
  return [
    'rejects',
    ...kinds.map(({ stage, code, count: number }) => `  ${count(number).padStart(widest)}  ${code}  (${stage})`),
  ];
}
