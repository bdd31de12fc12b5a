import { readFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

const SOURCE = 'tools/wasm/hashFloor.as.ts';
const TEXT = 0x1_0000;
const HASHES = 0x1000;

export interface HashFloor {
  /** By the hash that signatures are made of. */
  own(): void;
  /** By the one that a study measured, which takes a multiplication more. */
  studied(): void;
}

/** Hashes every shingle of a text, which lies in WebAssembly memory already, and does nothing with them. */
export async function hashFloor(text: Uint8Array): Promise<HashFloor> {
  const pages = 2 + Math.ceil(text.length / 65_536);
  let binary = new Uint8Array();
  const sizes = [`--initialMemory=${pages}`, `--maximumMemory=${pages}`];
  const { error } = await asc.main(
    [SOURCE, '-O3', '--noAssert', '--runtime=stub', '--enable=simd,relaxed-simd', ...sizes, '--outFile', 'floor.wasm'],
    {
      readFile: (file) => (file === SOURCE ? readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8') : null),
      writeFile: (file, content) => {
        if (file === 'floor.wasm' && typeof content !== 'string') binary = Uint8Array.from(content);
      },
      listFiles: () => [],
    },
  );
  if (error !== null) throw error;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary), {});
  const { memory, prepare, hashAll, hashAllStudied } = exports as {
    readonly memory: { readonly buffer: ArrayBuffer };
    prepare(): void;
    hashAll(text: number, bytes: number, target: number): void;
    hashAllStudied(text: number, bytes: number, target: number): void;
  };
  new Uint8Array(memory.buffer).set(text, TEXT);
  prepare();
  return {
    own: () => hashAll(TEXT, text.length, HASHES),
    studied: () => hashAllStudied(TEXT, text.length, HASHES),
  };
}
