/**
 * Compiles the WebAssembly kernels and writes them as TypeScript modules that hold the binary in base64; with `--check` it
 * compares instead, and ends with exit code 1 where a module is not what its source gives.
 *
 *   node tools/wasm/build.mjs [--check]
 *
 * The compiler comes from the lock file, so the same sources give the same bytes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

const root = new URL('../../', import.meta.url);

/** No run time of its own. */
const common = ['-O3', '--noAssert', '--runtime=stub'];

const kernels = [
  {
    source: 'tools/wasm/blocks.as.ts',
    module: 'src/kernels/blocks/blocksWasm.ts',
    name: 'blocksWasm',
    // the memory comes from outside: several threads decode into the same one
    options: [
      '--importMemory',
      '--sharedMemory',
      '--noExportMemory',
      '--initialMemory=1',
      '--maximumMemory=65536',
      '--enable=simd,threads,bulk-memory',
    ],
  },
  {
    source: 'tools/wasm/quantizedRows.as.ts',
    module: 'src/model/quantized/rowsWasm.ts',
    name: 'rowsWasm',
    // the memory comes from outside, as above
    options: [
      '--importMemory',
      '--sharedMemory',
      '--noExportMemory',
      '--initialMemory=1',
      '--maximumMemory=65536',
      '--enable=simd,threads,bulk-memory',
    ],
  },
  {
    source: 'tools/wasm/minhash.as.ts',
    module: 'src/lsh/minhashWasm.ts',
    name: 'minhashWasm',
    // 4 MiB of its own, used at fixed addresses
    options: ['--initialMemory=64', '--maximumMemory=64', '--enable=simd,relaxed-simd,bulk-memory'],
  },
  {
    source: 'tools/wasm/projections.as.ts',
    module: 'src/lsh/projectionsWasm.ts',
    name: 'projectionsWasm',
    // grown from outside to what the normals and a batch of vectors take
    options: ['--initialMemory=1', '--enable=simd'],
  },
  {
    source: 'tools/wasm/imagePatches.as.ts',
    module: 'src/operators/pretokenize/image/patchesWasm.ts',
    name: 'patchesWasm',
    // grown from outside to what a strip of patches takes; histograms lie at its beginning
    options: ['--initialMemory=1', '--memoryBase=65536', '--enable=simd'],
  },
  {
    source: 'tools/wasm/resample.as.ts',
    module: 'src/operators/pretokenize/audio/resampleWasm.ts',
    name: 'resampleWasm',
    // grown from outside to what the filter and a block of samples take
    options: ['--initialMemory=1', '--enable=simd'],
  },
  {
    source: 'tools/wasm/vectors.as.ts',
    module: 'src/quantization/vectors/vectorsWasm.ts',
    name: 'vectorsWasm',
    // grown from outside to what a matrix and a chunk of rows take
    options: ['--initialMemory=1', '--enable=simd'],
  },
  {
    source: 'tools/wasm/quantize.as.ts',
    module: 'src/quantization/codes/quantizeWasm.ts',
    name: 'quantizeWasm',
    // 1 MiB of its own, used at fixed addresses
    options: ['--initialMemory=16', '--maximumMemory=16', '--enable=simd'],
  },
];

for (const { source, module, name, options } of kernels) {
  const base64 = Buffer.from(await compile(source, options)).toString('base64');
  const text = `/** Made from ${source} by tools/wasm/build.mjs; do not edit. */\nexport const ${name} =\n  '${base64}';\n`;
  if (!process.argv.includes('--check')) writeFileSync(new URL(module, root), text);
  else if (read(module) !== text) {
    process.stderr.write(`${module} is not what ${source} gives: run node tools/wasm/build.mjs\n`);
    process.exitCode = 1;
  }
}

async function compile(source, options) {
  const name = 'out.wasm';
  let binary;
  const { error, stderr } = await asc.main([source, ...common, ...options, '--outFile', name], {
    readFile: (file) => read(file),
    writeFile: (file, content) => {
      if (file === name) binary = content;
    },
    listFiles: () => [],
  });
  if (error) throw new Error(`${source} does not compile: ${error.message}\n${stderr}`);
  return binary;
}

/** The compiler asks for files that may not exist. */
function read(file) {
  try {
    return readFileSync(new URL(file, root), 'utf8');
  } catch {
    return null;
  }
}
