import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { Language, Parser } from 'web-tree-sitter';
import { Failure } from '../../../sources/failure.ts';
import { GRAMMARS } from './grammarNames.ts';
import type { GrammarName } from './nodeKinds.ts';

const REPOMIX = '@repomix/tree-sitter-wasms';
const VSCODE = '@vscode/tree-sitter-wasm';

/** Forms of C++ that C has not, in the lines of a header. */
const CPP_HEADER =
  /^\s*(?:class\s+\w+\s*(?:final\s*)?[:{\n]|namespace\s+[\w:]*\s*\{?\s*$|template\s*<|using\s+\w|(?:public|private|protected)\s*:)|\bstd::\w/m;

/**
 * The grammar of a language, if there is one here. Names that several dialects share are told apart by the file: `.tsx`, and
 * headers that hold C++.
 */
export function grammarOf(language: string | undefined, name: string, text: string): GrammarName | undefined {
  if (language === undefined || !Object.hasOwn(GRAMMARS, language)) return undefined;
  if (language === 'typescript' && /\.tsx$/i.test(name)) return 'tsx';
  if (language === 'c' && /\.h$/i.test(name) && CPP_HEADER.test(text)) return 'cpp';
  return GRAMMARS[language];
}

/** A grammar that is ready, and what it is: `tree-sitter-rust (@repomix/tree-sitter-wasms 0.1.17), web-tree-sitter 0.27.1`. */
export interface Loaded {
  readonly name: GrammarName;
  readonly language: Language;
  readonly parser: Parser;
  readonly origin: string;
}

/**
 * Most that the parser's memory may grow to, in pages of 64 KiB: 448 MiB, with which a decoder process stays below its limit.
 * It never shrinks, so that a process that once needed much is replaced.
 */
const MOST_PAGES = 7168;
/** What its WebAssembly asks for at first: 32 MiB. */
const PAGES = 512;

export const parserMemory = new WebAssembly.Memory<ArrayBuffer>({ initial: PAGES, maximum: MOST_PAGES, shared: false });

let engine: Promise<Parser> | undefined;
const loaded = new Map<GrammarName, Promise<Loaded>>();

async function start(): Promise<Parser> {
  await Parser.init({ wasmMemory: parserMemory, printErr: () => {} });
  return new Parser();
}

/** @param place of the package's manifest, from `module` of it */
async function versionOf(name: string, module: string, place: string): Promise<string> {
  const manifest = await readFile(new URL(place, import.meta.resolve(module)), 'utf8');
  return `${name} ${(JSON.parse(manifest) as { version: string }).version}`;
}

function wasmOf(own: string, name: string): Promise<Uint8Array> {
  const folder = own === VSCODE ? 'wasm' : 'out';
  return readFile(new URL(import.meta.resolve(`${own}/${folder}/tree-sitter-${name}.wasm`)));
}

async function load(name: GrammarName): Promise<Loaded> {
  const own = name === 'bash' || name === 'powershell' ? VSCODE : REPOMIX;
  engine ??= start();
  const parser = await engine;
  let wasm: Uint8Array;
  let origin: string;
  try {
    wasm = await wasmOf(own, name);
    origin = await versionOf(own, `${own}/package.json`, '');
  } catch (cause) {
    throw new Failure(
      'UNDECODED',
      `code in this language needs the optional package ${own}`,
      `npm install ${own}, or pass it whole with pretokenize({ code: { unit: 'file' } })`,
      cause,
    );
  }
  if (LONG_FUNCTIONS.has(name)) await warmUp(parser, own);
  const runtime = await versionOf('web-tree-sitter', 'web-tree-sitter', './package.json');
  return { name, language: await Language.load(wasm), parser, origin: `tree-sitter-${name} (${origin}), ${runtime}` };
}

/** Grammars with a function so long that to optimise it takes V8 up to 3.5 GB and ten seconds. */
const LONG_FUNCTIONS: ReadonlySet<GrammarName> = new Set(['bash', 'powershell', 'swift']);

const NOT_OPTIMISED = ['--no-wasm-tier-up', '--no-wasm-dynamic-tiering'] as const;
const OPTIMISED = ['--wasm-tier-up', '--wasm-dynamic-tiering'] as const;

/**
 * Does what may call functions of a grammar for the first time, at which V8 compiles them: those of some grammars without
 * a way to optimise them later, which costs more memory than a decoder process has. All else is compiled as ever.
 */
export function compiling<T>(name: GrammarName, work: () => T): T {
  if (!LONG_FUNCTIONS.has(name)) return work();
  for (const flag of NOT_OPTIMISED) setFlagsFromString(flag);
  try {
    return work();
  } finally {
    for (const flag of OPTIMISED) setFlagsFromString(flag);
  }
}

/** Has the parser's own functions compiled, by parsing a little in a small grammar, before a long one could be the first. */
async function warmUp(parser: Parser, own: string): Promise<void> {
  parser.setLanguage(await Language.load(await wasmOf(own, own === VSCODE ? 'ini' : 'vue')));
  const tree = parser.parse('[a]\nb = 1\n<p>c</p>\n', null, { progressCallback: () => false });
  tree?.delete();
}

/** Loads a grammar, once. @throws Failure `UNDECODED` where its package is not installed */
export function loadGrammar(name: GrammarName): Promise<Loaded> {
  let grammar = loaded.get(name);
  if (grammar === undefined) {
    grammar = load(name);
    loaded.set(name, grammar);
  }
  return grammar;
}
