/** Programming languages by file name extension: where the name says so, text is code. */
const LANGUAGES: Readonly<Record<string, string>> = {
  c: 'c',
  h: 'c',
  cc: 'cpp',
  cpp: 'cpp',
  cxx: 'cpp',
  hh: 'cpp',
  hpp: 'cpp',
  cs: 'csharp',
  java: 'java',
  kt: 'kotlin',
  kts: 'kotlin',
  scala: 'scala',
  groovy: 'groovy',
  clj: 'clojure',
  cljs: 'clojure',
  go: 'go',
  rs: 'rust',
  zig: 'zig',
  nim: 'nim',
  d: 'd',
  swift: 'swift',
  m: 'objective-c',
  mm: 'objective-c',
  py: 'python',
  pyi: 'python',
  pyx: 'cython',
  rb: 'ruby',
  pl: 'perl',
  pm: 'perl',
  php: 'php',
  lua: 'lua',
  r: 'r',
  jl: 'julia',
  js: 'javascript',
  mjs: 'javascript',
  cjs: 'javascript',
  jsx: 'javascript',
  ts: 'typescript',
  mts: 'typescript',
  cts: 'typescript',
  tsx: 'typescript',
  vue: 'vue',
  svelte: 'svelte',
  dart: 'dart',
  hs: 'haskell',
  ml: 'ocaml',
  mli: 'ocaml',
  fs: 'fsharp',
  fsx: 'fsharp',
  elm: 'elm',
  ex: 'elixir',
  exs: 'elixir',
  erl: 'erlang',
  hrl: 'erlang',
  lisp: 'lisp',
  el: 'elisp',
  scm: 'scheme',
  rkt: 'racket',
  sh: 'shell',
  bash: 'shell',
  zsh: 'shell',
  fish: 'shell',
  ps1: 'powershell',
  bat: 'batch',
  sql: 'sql',
  css: 'css',
  scss: 'scss',
  less: 'less',
  wgsl: 'wgsl',
  glsl: 'glsl',
  hlsl: 'hlsl',
  cu: 'cuda',
  cuh: 'cuda',
  f: 'fortran',
  f90: 'fortran',
  f95: 'fortran',
  pas: 'pascal',
  asm: 'assembly',
  s: 'assembly',
  v: 'verilog',
  sv: 'systemverilog',
  vhd: 'vhdl',
  sol: 'solidity',
  proto: 'protobuf',
  cmake: 'cmake',
  mk: 'make',
  nix: 'nix',
  tf: 'terraform',
  awk: 'awk',
};

/** Media types of text that is not code. */
const TEXT_TYPES: Readonly<Record<string, string>> = {
  md: 'text/markdown',
  markdown: 'text/markdown',
  rst: 'text/x-rst',
  html: 'text/html',
  htm: 'text/html',
  xhtml: 'application/xhtml+xml',
  xml: 'application/xml',
  svg: 'image/svg+xml',
  csv: 'text/csv',
  tsv: 'text/tab-separated-values',
  json: 'application/json',
  jsonl: 'application/jsonl',
  yaml: 'application/yaml',
  yml: 'application/yaml',
  toml: 'application/toml',
  tex: 'application/x-tex',
  rtf: 'application/rtf',
  srt: 'application/x-subrip',
};

function extensionOf(uri: string): string {
  const name = uri.slice(uri.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? '' : name.slice(dot + 1).toLowerCase();
}

const lookUp = (table: Readonly<Record<string, string>>, key: string): string | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

/** The programming language that a file name tells, if it tells one. */
export function languageOf(uri: string): string | undefined {
  return lookUp(LANGUAGES, extensionOf(uri));
}

/** The media type of text in a file of that name. */
export function textTypeOf(uri: string): string {
  const language = languageOf(uri);
  if (language !== undefined) return `text/x-${language}`;
  return lookUp(TEXT_TYPES, extensionOf(uri)) ?? 'text/plain';
}
