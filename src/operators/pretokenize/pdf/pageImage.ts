import { Failure } from '../../../sources/failure.ts';
import type { Frame, Size } from '../image/picture.ts';
import type { OpenPage } from './pdfDocument.ts';

/** `FPDFBitmap_BGR`; `FPDF_ANNOT | FPDF_REVERSE_BYTE_ORDER`: with its annotations, and red first. */
const BGR = 2;
const FLAGS = 0x01 | 0x10;
const WHITE = 0xffffffff;
const CHANNELS = 3;

/** What a picture of a page is, `width` pixels wide. */
export const sizeOfImage = ({ width: points, height }: OpenPage, width: number): Size => ({
  width,
  height: Math.max(1, Math.round((width * height) / points)),
});

/**
 * A page as it is shown, on white. Takes six bytes a pixel for a moment, half of them with PDFium.
 * @throws Failure `DAMAGED_FILE`
 */
export function pageImage({ pdfium, page, number }: OpenPage, { width, height }: Size): Frame {
  const { call } = pdfium;
  const bitmap = call.FPDFBitmap_CreateEx(width, height, BGR, 0, 0);
  if (bitmap === 0) {
    throw new Failure(
      'DAMAGED_FILE',
      `PDFium has no room for a picture of page ${number}, ${width} by ${height} pixels`,
    );
  }
  call.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, WHITE);
  call.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, FLAGS);
  const stride = call.FPDFBitmap_GetStride(bitmap);
  const first = call.FPDFBitmap_GetBuffer(bitmap);
  const rgb = new Uint8Array(CHANNELS * width * height);
  const memory = pdfium.memory();
  const row = CHANNELS * width;
  for (let y = 0; y < height; y++) rgb.set(memory.subarray(first + y * stride, first + y * stride + row), y * row);
  call.FPDFBitmap_Destroy(bitmap);
  return { width, height, rgb };
}
