import type { Meta } from '../../../records.ts';
import type { Budget } from '../budget.ts';
import type { ImageSettings } from '../image/options.ts';
import { chargePatches, type PatchTable, patchTable } from '../image/patchTable.ts';
import type { Frame, Size } from '../image/picture.ts';
import type { PdfSettings } from './options.ts';
import { sizeOfImage, withPageImage } from './pageImage.ts';
import { type OpenDocument, pageFacts } from './pdfDocument.ts';

const CHANNELS = 3;

export interface Rendering {
  readonly settings: Pick<PdfSettings, 'width' | 'patches'>;
  readonly budget: Budget;
  readonly maxSegmentBytes: number;
}

/** Patches of one page, and facts that hold for all of them; numbers alone. */
interface PageImage {
  readonly label: string;
  readonly facts: Readonly<Record<string, number>>;
  readonly patches: PatchTable;
}

/**
 * Pictures of all pages, in patches or each in one piece.
 * @throws Failure `DECODED_TOO_LARGE`, `DAMAGED_FILE`
 */
export function pageImages(document: OpenDocument, how: Rendering): PatchTable {
  const { settings, budget, maxSegmentBytes } = how;
  const images: PageImage[] = [];
  for (const page of document.pages()) {
    const size = sizeOfImage(page, settings.width);
    charge(size, settings.patches, budget);
    const patches = withPageImage(page, size, (image) =>
      settings.patches === false
        ? whole(image, maxSegmentBytes)
        : patchTable([image], settings.patches, maxSegmentBytes, {}),
    );
    const facts = { ...pageFacts(page), image_width: size.width, image_height: size.height };
    images.push({ label: `pdf_page_${page.number}_image`, facts, patches });
  }
  return joined(images);
}

function charge(size: Size, patches: ImageSettings | false, budget: Budget): void {
  if (patches === false) budget.take(CHANNELS * size.width * size.height, 'the picture of a page');
  else chargePatches([size], patches, budget);
}

/** A picture in as few pieces of whole rows as segments may be long. */
function whole({ rgb, width, height }: Frame, maxSegmentBytes: number): PatchTable {
  const row = CHANNELS * width;
  const rows = Math.max(1, Math.floor(maxSegmentBytes / row));
  const count = Math.ceil(height / rows);
  const ends = Float64Array.from({ length: count }, (_, index) => Math.min(height, (index + 1) * rows) * row);
  return { bytes: rgb.slice(), segments: { ends, labels: [''], meta: { channels: CHANNELS } } };
}

/** What pages have, one behind the other. */
function joined(images: readonly PageImage[]): PatchTable {
  const count = images.reduce((sum, { patches }) => sum + patches.segments.ends.length, 0);
  const ends = new Float64Array(count);
  const labelOf = new Uint16Array(count);
  const columns = new Map<string, Float64Array>();
  const columnOf = (name: string): Float64Array => {
    const column = columns.get(name) ?? new Float64Array(count).fill(Number.NaN);
    columns.set(name, column);
    return column;
  };
  let first = 0;
  let bytes = 0;
  let meta: Meta = {};
  for (const [index, { facts, patches }] of images.entries()) {
    const { segments } = patches;
    const behind = first + segments.ends.length;
    for (let at = first; at < behind; at++) ends[at] = bytes + (segments.ends[at - first] ?? 0);
    labelOf.fill(index, first, behind);
    for (const [name, value] of Object.entries(facts)) columnOf(name).fill(value, first, behind);
    for (const [name, values] of Object.entries(segments.columns ?? {})) columnOf(name).set(values, first);
    // the size of a picture differs from page to page, and is in a column
    const { image_width: _, image_height: __, ...shared } = segments.meta;
    meta = shared;
    first = behind;
    bytes += patches.bytes.length;
  }
  return {
    bytes: concatenated(images.map(({ patches }) => patches.bytes)),
    segments: {
      ends,
      labels: images.map(({ label }) => label),
      labelOf,
      meta: { view: 'image', source_type: 'rendered_image', format: 'rgb8', ...meta },
      columns: Object.fromEntries(columns),
    },
  };
}

const concatenated = (parts: readonly Uint8Array[]): Uint8Array => {
  const [only] = parts;
  return only !== undefined && parts.length === 1 ? only : Buffer.concat(parts);
};
