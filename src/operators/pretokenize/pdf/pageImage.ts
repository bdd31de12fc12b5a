import { Failure } from '../../../sources/failure.ts';
import type { Budget } from '../budget.ts';
import type { OpenPage } from './pdfDocument.ts';

export interface PageImage {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Row by row, from the top: red, green, blue. */
  readonly rgb: Uint8Array;
}

/** `FPDFBitmap_BGR`, and `FPDF_ANNOT | FPDF_REVERSE_BYTE_ORDER` for what is drawn into it: notes as others print them, RGB. */
const BGR = 2;
const FLAGS = 0x01 | 0x10;
const WHITE = 0xffffffff;
const CHANNELS = 3;

/**
 * A page as it is printed, on white, `width` pixels wide.
 * @throws Failure `DECODED_TOO_LARGE`, `DAMAGED_FILE`
 */
export function pageImage({ pdfium, page, number, ...size }: OpenPage, width: number, budget: Budget): PageImage {
  const { call } = pdfium;
  const height = Math.max(1, Math.round((width * size.height) / size.width));
  budget.take(CHANNELS * width * height, `the picture of page ${number}`);
  const bitmap = call.FPDFBitmap_CreateEx(width, height, BGR, 0, 0);
  if (bitmap === 0) {
    throw new Failure(
      'DAMAGED_FILE',
      `PDFium has no room for a picture of ${width} by ${height} pixels (page ${number})`,
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
