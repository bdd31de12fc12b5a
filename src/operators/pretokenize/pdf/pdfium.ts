import { readFileSync } from 'node:fs';
import { PDFiumModule } from '@hyzyla/pdfium';

/**
 * What is used of PDFium's C interface (`fpdfview.h`, `fpdf_text.h`, `fpdf_edit.h`), compiled to WebAssembly. Pointers are
 * byte offsets in the instance's memory, 0 where there is nothing.
 */
export interface PdfiumExports {
  malloc(bytes: number): number;
  free(pointer: number): void;
  FPDF_InitLibrary(): void;
  FPDF_LoadMemDocument(bytes: number, length: number, password: number): number;
  FPDF_CloseDocument(document: number): void;
  /** Why the document could not be opened. */
  FPDF_GetLastError(): number;
  FPDF_GetPageCount(document: number): number;
  FPDF_LoadPage(document: number, index: number): number;
  FPDF_ClosePage(page: number): void;
  /** Points, as the page is shown. */
  FPDF_GetPageWidthF(page: number): number;
  FPDF_GetPageHeightF(page: number): number;
  /** Quarter turns, clockwise. */
  FPDFPage_GetRotation(page: number): number;
  FPDFText_LoadPage(page: number): number;
  FPDFText_ClosePage(text: number): void;
  FPDFText_CountChars(text: number): number;
  /** Writes UTF-16LE and a terminator, and returns how many units that were. */
  FPDFText_GetText(text: number, index: number, count: number, buffer: number): number;
  FPDFText_GetUnicode(text: number, index: number): number;
  /** Writes left, top, right, bottom as f32, in points from the lower left corner. */
  FPDFText_GetLooseCharBox(text: number, index: number, box: number): number;
  /** Radians from 0, clockwise. */
  FPDFText_GetCharAngle(text: number, index: number): number;
  FPDFBitmap_CreateEx(width: number, height: number, format: number, first: number, stride: number): number;
  FPDFBitmap_FillRect(bitmap: number, x: number, y: number, width: number, height: number, argb: number): number;
  FPDFBitmap_GetBuffer(bitmap: number): number;
  FPDFBitmap_GetStride(bitmap: number): number;
  FPDFBitmap_Destroy(bitmap: number): void;
  FPDF_RenderPageBitmap(
    bitmap: number,
    page: number,
    x: number,
    y: number,
    width: number,
    height: number,
    rotate: number,
    flags: number,
  ): void;
}

/** An instance of PDFium. */
export interface Pdfium {
  readonly call: PdfiumExports;
  /** Its memory, as it is now: calls may make it larger, and views of it void. */
  memory(): Uint8Array<ArrayBuffer>;
}

/** Bytes of memory above which an instance is not kept: WebAssembly never gives memory back. */
const KEPT_MEMORY = 96 << 20;

let kept: Pdfium | undefined;

/**
 * Works with an instance of PDFium, kept from the last time. One that something has been thrown over is in no known state,
 * and is not used again; nor is one whose memory has grown.
 */
export async function withPdfium<R>(work: (pdfium: Pdfium) => R): Promise<R> {
  const pdfium = kept ?? (await instance());
  kept = undefined;
  const result = work(pdfium);
  if (pdfium.memory().length <= KEPT_MEMORY) kept = pdfium;
  return result;
}

let compiled: Promise<WebAssembly.Module> | undefined;

const packageFile = (path: string): URL => new URL(`../${path}`, import.meta.resolve('@hyzyla/pdfium'));

async function instance(): Promise<Pdfium> {
  compiled ??= WebAssembly.compile(readFileSync(packageFile('dist/pdfium.wasm')));
  const program = await compiled;
  const options = {
    // compiled once: the package would do it for each instance, which takes ten times as long as the rest
    instantiateWasm: (imports: WebAssembly.Imports, take: (instance: WebAssembly.Instance) => void) => {
      const created = new WebAssembly.Instance(program, imports);
      take(created);
      return created.exports;
    },
    print: () => {},
    printErr: () => {},
  };
  // the package's types have neither what silences it nor the instance that is handed on
  const module = await PDFiumModule(options as unknown as Parameters<typeof PDFiumModule>[0]);
  // the exports themselves: the package's functions around them, which its types name, take several times as long to call
  const call = module.wasmExports as unknown as PdfiumExports;
  call.FPDF_InitLibrary();
  return { call, memory: () => module.HEAPU8 as Uint8Array<ArrayBuffer> };
}

let name: string | undefined;

/** Name and version of the decoder, for derivations. */
export function pdfiumName(): string {
  if (name === undefined) {
    const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string };
    name = `@hyzyla/pdfium ${version}`;
  }
  return name;
}
