/**
 * Packs what `bench/gpu.sh` needs on a machine that has no Node, no network and no checkout: `node bench/gpuPack.mjs
 * [folder]` (default `out/gpuPack`), on Linux x64, with tar and xz, and strip where it shall be small. Takes a minute or two.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

const MOST_BYTES = 60e6;
const root = path.join(import.meta.dirname, '..');
const SOURCES = [
  'package.json',
  'LICENSE',
  'NOTICE',
  'src',
  'bench',
  'models/tiny',
  'test/support',
  'test/model/modelFolder.ts',
];
const VULKAN = ['libvulkan.so.1', 'libvk_swiftshader.so', 'vk_swiftshader_icd.json'];
/** Packages whose libraries are of other machines, too: what is taken of them. */
const NATIVE = {
  webgpu: ['package.json', 'index.js', 'LICENSE', 'dist/linux-x64/dawn.node'],
  'onnxruntime-node': ['package.json', 'dist', 'lib', 'bin/napi-v6/linux/x64'],
};
const LEFT_OUT = /\.(map|md|d\.[mc]?ts|tmp\.ts)$/;

if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('The pack is made on Linux x64.');
// the very Node that runs this goes into the pack
if (!process.features.typescript) throw new Error('This Node is too old: node bootstrap.mjs bench/gpuPack.mjs');
const folder = path.resolve(process.argv[2] ?? path.join(root, 'out/gpuPack'));
const staging = mkdtempSync(path.join(tmpdir(), 'sluice-pack-'));
const pack = path.join(staging, 'sluice-gpu');
mkdirSync(pack);
mkdirSync(folder, { recursive: true });
try {
  for (const source of SOURCES) copy(path.join(root, source), path.join(pack, source));
  for (const name of packages()) {
    for (const part of NATIVE[name] ?? ['']) {
      const from = path.join('node_modules', name, part);
      if (existsSync(path.join(root, from))) copy(path.join(root, from), path.join(pack, from));
    }
  }
  vulkan();
  copy(process.execPath, path.join(pack, 'node'));
  chmodSync(path.join(pack, 'node'), 0o755);
  for (const binary of [
    'node',
    ...NATIVE.webgpu.filter((file) => file.endsWith('.node')).map((file) => `node_modules/webgpu/${file}`),
  ]) {
    strip(path.join(pack, binary));
  }
  archive();
} finally {
  rmSync(staging, { recursive: true, force: true });
}

function copy(from, to) {
  mkdirSync(path.dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, dereference: true, filter: (file) => !LEFT_OUT.test(file) });
}

/** Packages that the program needs, and those that they need. */
function packages() {
  const { dependencies } = manifestOf(root);
  const found = new Set([...Object.keys(dependencies), 'rxjs', 'webgpu', 'onnxruntime-node', 'onnxruntime-common']);
  for (const name of found) {
    if (name in NATIVE) continue;
    for (const needed of Object.keys(manifestOf(path.join(root, 'node_modules', name)).dependencies ?? {}))
      found.add(needed);
  }
  return found;
}

function manifestOf(at) {
  return JSON.parse(readFileSync(path.join(at, 'package.json'), 'utf8'));
}

/** The loader and the software adapter, so that the script can be tried without a GPU. */
function vulkan() {
  const to = path.join(pack, 'vulkan');
  mkdirSync(to);
  const input = brotliDecompressSync(
    readFileSync(path.join(root, 'node_modules/@sparticuz/chromium/bin/swiftshader.tar.br')),
  );
  execFileSync('tar', ['-xf', '-', '-C', to, ...VULKAN], { input });
}

function strip(file) {
  try {
    execFileSync('strip', [file]);
  } catch (error) {
    console.error(`${path.basename(file)} is packed as it is: ${error.message}`);
  }
}

function archive() {
  const file = path.join(folder, 'sluice-gpu.tar.xz');
  const tar = path.join(staging, 'pack.tar');
  execFileSync('tar', ['-cf', tar, '-C', staging, '--owner=0', '--group=0', '--sort=name', 'sluice-gpu']);
  writeFileSync(file, execFileSync('xz', ['-6', '-T2', '-c', tar], { maxBuffer: 2 ** 30 }));
  cpSync(path.join(root, 'bench/gpu.sh'), path.join(folder, 'gpu.sh'));
  const [packed, unpacked] = [statSync(file).size, statSync(tar).size];
  console.log(`${file}: ${packed} bytes, ${unpacked} unpacked`);
  if (packed > MOST_BYTES) throw new Error(`The pack is larger than ${MOST_BYTES} bytes.`);
}
