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
 * Works with a picture of a page as it is shown, on white. Its pixels are gone when `use` returns.
 * @throws Failure `DAMAGED_FILE`
 */
export function withPageImage<R>({ pdfium, page, number }: OpenPage, size: Size, use: (image: Frame) => R): R {
  const { call } = pdfium;
  const { width, height } = size;
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
  const pixels = pdfium.memory().subarray(first, first + stride * height);
  const result = use({ ...size, rgb: withoutPadding(pixels, stride, CHANNELS * width) });
  call.FPDFBitmap_Destroy(bitmap);
  return result;
}

/** Rows one behind the other: PDFium begins each at a multiple of four bytes. */
function withoutPadding(pixels: Uint8Array, stride: number, row: number): Uint8Array {
  if (stride === row) return pixels;
  const height = pixels.length / stride;
  const rgb = new Uint8Array(row * height);
  for (let y = 0; y < height; y++) rgb.set(pixels.subarray(y * stride, y * stride + row), y * row);
  return rgb;
}
