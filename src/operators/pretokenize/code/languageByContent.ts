import { isNamedText } from '../languages.ts';
import { PROFILES } from './profiles.ts';

/** A programming language told by what a text holds. */
export interface LanguageGuess {
  readonly language: string;
  /** 0 to 1. */
  readonly confidence: number;
}

/** Bytes that are judged: enough for a language to show, little enough to cost nothing beside the model. */
const SAMPLE = 8 << 10;

/** Languages by the program that a script names, version numbers cut off. */
const INTERPRETERS: Readonly<Record<string, string>> = {
  sh: 'shell',
  bash: 'shell',
  dash: 'shell',
  ash: 'shell',
  ksh: 'shell',
  zsh: 'shell',
  fish: 'shell',
  python: 'python',
  pypy: 'python',
  node: 'javascript',
  nodejs: 'javascript',
  bun: 'javascript',
  deno: 'typescript',
  'ts-node': 'typescript',
  tsx: 'typescript',
  perl: 'perl',
  ruby: 'ruby',
  jruby: 'ruby',
  php: 'php',
  lua: 'lua',
  luajit: 'lua',
  rscript: 'r',
  julia: 'julia',
  pwsh: 'powershell',
  awk: 'awk',
  gawk: 'awk',
  mawk: 'awk',
  tclsh: 'tcl',
  wish: 'tcl',
  runhaskell: 'haskell',
  stack: 'haskell',
  ocaml: 'ocaml',
  escript: 'erlang',
  elixir: 'elixir',
  groovy: 'groovy',
  kotlin: 'kotlin',
  scala: 'scala',
  swift: 'swift',
  dart: 'dart',
  crystal: 'crystal',
  guile: 'scheme',
  racket: 'racket',
  sbcl: 'lisp',
  make: 'make',
};

/** Names that editors have for languages, where they differ from those here. */
const EDITOR_NAMES: Readonly<Record<string, string>> = {
  'c++': 'cpp',
  cs: 'csharp',
  'c#': 'csharp',
  js: 'javascript',
  js2: 'javascript',
  ts: 'typescript',
  sh: 'shell',
  bash: 'shell',
  zsh: 'shell',
  'shell-script': 'shell',
  py: 'python',
  rb: 'ruby',
  cperl: 'perl',
  objc: 'objective-c',
  makefile: 'make',
  'emacs-lisp': 'elisp',
  ps1: 'powershell',
};

const KNOWN: ReadonlySet<string> = new Set([
  ...Object.values(INTERPRETERS),
  ...Object.values(EDITOR_NAMES),
  ...Object.keys(PROFILES),
]);

function editorName(name: string): string | undefined {
  const lower = name.toLowerCase();
  const language = Object.hasOwn(EDITOR_NAMES, lower) ? EDITOR_NAMES[lower] : lower;
  return language !== undefined && KNOWN.has(language) ? language : undefined;
}

/** The language of the program that the first line names, as `#!/usr/bin/env -S python3 -u` does. */
function byInterpreter(text: string): string | undefined {
  const line = /^(?:\xef\xbb\xbf)?#![ \t]*([^\n\r]{1,200})/.exec(text)?.[1];
  if (line === undefined) return undefined;
  const words = line.split(/[ \t]+/);
  let program = words[0]?.split('/').at(-1);
  // env takes options and variables before the program
  if (program === 'env')
    program = words
      .slice(1)
      .find((word) => !/^-|=/.test(word))
      ?.split('/')
      .at(-1);
  const name = program?.toLowerCase().replace(/[\d.]+$/, '') ?? '';
  return Object.hasOwn(INTERPRETERS, name) ? INTERPRETERS[name] : undefined;
}

/** The language that a line for an editor names: `-*- mode: ruby -*-`, `vim: set ft=python:`. */
function byModeline(text: string): string | undefined {
  const top = text.slice(0, 1024);
  const emacs = /-\*-[ \t]*(?:[^\n]*?\bmode:[ \t]*)?([\w+#-]{1,20})[ \t]*(?:;[^\n]*)?-\*-/i.exec(top)?.[1];
  const vim = /(?:^|[ \t])(?:vi|vim|ex):[^\n]*?\b(?:ft|filetype|syntax)=([\w+#-]{1,20})/m.exec(top)?.[1];
  const name = emacs ?? vim;
  return name === undefined ? undefined : editorName(name);
}

/** Formats that hold or resemble code and are none: markup, data, changes, mail, what terminals show. */
const NO_CODE: readonly RegExp[] = [
  /^(?:\xef\xbb\xbf)?\s*<(?!\?php|\?=|(?:template|script|style)[\s>])[!?a-zA-Z]/,
  /^(?:\xef\xbb\xbf)?\s*[[{]\s*(?:["[{\]}]|-?\d)/,
  /^(?:diff --git |--- [^\n]+\n\+\+\+ |Index: [^\n]+\n=)/m,
  /^\s*\\(?:documentclass|begin|input|usepackage)\b/,
  /^%(?:YAML|!PS)|^---\r?\n\w[\w-]*:/,
  /^(?:From|Received|Return-Path|MIME-Version|Message-ID|Subject): ?[^\n]*\r?\n[\w-]+: /im,
  // Markdown: fences, or links and headings together
  /^(?:`{3}|~{3})[\w+-]*[ \t]*\r?$/m,
  /^#{1,6} [^\n]*\n[\s\S]*\]\((?:https?:|\.{0,2}\/|#)/m,
  /^(?:={4,}|-{4,}|~{4,})\r?\n[\s\S]*^(?:\.\. [\w-]+::|={4,}|-{4,}|~{4,})/m,
];

/** Lines as code has them: by what they end or begin with, by calls and assignments. */
const CODE_LINE =
  /[{};]\s*(?:\/\/.*)?\r?$|[)\]}][,:]?\s*\r?$|^\s*[)\]}@]|[\w\])"'] ?(?:=|\+=|:=|==|=>|->|<-) ?[\w("'[{$&*-]|\w\([^)]*\)[;:.]|^\s*(?:end|fi|done|esac|else|endif)\s*$|^\s*(?:def|class|module) \w+[^.]*$|^\s*(?:return|import|from|use|using|package|require|include|#include|#define|#if|#endif|local|my|echo|export)\b.*[^.]$/;
const COMMENT_LINE = /^\s*(?:\/\/|\/\*|\*[ /]|#|--|;;|%|""")/;

const LINES = 200;
/** Share of the lines that must look like code for keywords to be counted at all; prose has less than a twentieth. */
const CODE_SHARE = 0.34;

/** Prose within code: strings of documentation, comments, manuals. */
const DOCUMENTATION =
  /"""[\s\S]*?(?:"""|(?![\s\S]))|\/\*[\s\S]*?(?:\*\/|(?![\s\S]))|^=(?:pod|head|encoding|begin|over)[\s\S]*?(?:^=cut\b|(?![\s\S]))/gm;

/** Whether the lines look like code of any language; those that are comments do not count. */
function looksLikeCode(text: string): boolean {
  let code = 0;
  let other = 0;
  for (const line of text.split('\n', LINES)) {
    if (line.length > 400) {
      other++;
      continue;
    }
    if (line.trim() === '' || COMMENT_LINE.test(line)) {
      if (/^\s*#\s*(?:include|define|if)/.test(line)) code++;
      continue;
    }
    if (CODE_LINE.test(line)) code++;
    else other++;
  }
  return code >= 2 && code >= CODE_SHARE * (code + other);
}

/** What stands far behind in a line is not looked at: forms that take a line could take its square in time. */
const LONG_LINE = /^([^\n]{300})[^\n]+/gm;

/** Points that a language must have, and have more than any other. */
const LEAST_POINTS = 6;
const MOST_OF_ONE = 4;

/** The language whose marks are found most, each counted a few times at most. */
function byMarks(text: string): LanguageGuess | undefined {
  let best = '';
  let points = 0;
  let second = 0;
  for (const [language, marks] of Object.entries(PROFILES)) {
    let sum = 0;
    let kinds = 0;
    for (const [weight, pattern] of marks) {
      pattern.lastIndex = 0;
      let count = 0;
      while (count < MOST_OF_ONE && pattern.test(text)) count++;
      sum += weight * count;
      if (weight > 0 && count > 0) kinds += weight === 4 && count > 1 ? 2 : 1;
    }
    if (sum > points && kinds > 1) {
      second = points;
      points = sum;
      best = language;
    } else if (sum > second) {
      second = sum;
    }
  }
  if (points < LEAST_POINTS || second >= points) return undefined;
  // all points its own: sure, but for what so little text can show
  const margin = (points - Math.max(0, second)) / points;
  return { language: best, confidence: Math.round(100 * Math.min(0.95, 0.4 + 0.3 * margin + points / 100)) / 100 };
}

/**
 * The programming language of a text whose name tells none: by the interpreter that its first line names, by a line for an
 * editor, by `<?php`, and else by the keywords and forms of some twenty languages, where its lines look like code in the
 * first place. Prose, Markdown, mark-up, tables, logs and data are no code. Looks at the first 8 KiB; deterministic.
 *
 * @param head beginning of the text, in UTF-8 or another charset that contains ASCII
 * @param uri name of the file; where it says text (`notes.txt`), keywords are not counted
 */
export function languageByContent(head: Uint8Array, uri = ''): LanguageGuess | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(SAMPLE, head.length)).toString('latin1');
  const interpreter = byInterpreter(text);
  if (interpreter !== undefined) return { language: interpreter, confidence: 0.99 };
  if (/^(?:\xef\xbb\xbf)?\s*<\?(?:php\b|=)/.test(text)) return { language: 'php', confidence: 0.99 };
  if (isNamedText(uri)) return undefined;
  const named = byModeline(text);
  if (named !== undefined) return { language: named, confidence: 0.95 };
  const bare = text.replace(DOCUMENTATION, '');
  if (!looksLikeCode(bare) || NO_CODE.some((pattern) => pattern.test(bare))) return undefined;
  return byMarks(bare.replace(LONG_LINE, '$1'));
}
