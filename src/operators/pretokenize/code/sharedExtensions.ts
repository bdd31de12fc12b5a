/** Bytes in which it must show which of several languages a file is in. */
const HEAD = 8 << 10;

type Mark = readonly [pattern: RegExp, language: string];

/**
 * Extensions that several languages share: what shows each but the one that the extension is taken for. The first that fits
 * counts.
 */
const SHARED: Readonly<Record<string, readonly Mark[]>> = {
  h: [[/^[ \t]*(?:#import[ \t]+["<]|@(?:interface|protocol|implementation|class)\b)/m, 'objective-c']],
  m: [
    [/^[ \t]*(?:#import|#include|@(?:interface|protocol|implementation|class|import|end)\b|\/\/|\/\*)/m, 'objective-c'],
    [/^\(\*|^BeginPackage\[|^\w+\[\w*_/m, 'mathematica'],
    [/^[ \t]*%|^[ \t]*(?:function|classdef)\b|^[ \t]*(?:end|endfunction)[ \t]*;?[ \t]*\r?$/m, 'matlab'],
  ],
  pl: [
    [/^(?:#!.*perl|[ \t]*(?:use|package|sub|my|our)[ \t]+[\w:$@%({])/m, 'perl'],
    [/^:-[ \t]|^\?-[ \t]|^[a-z]\w*(?:\([^\n]{0,200}\))?[ \t]*:-/m, 'prolog'],
  ],
  v: [
    [/^[ \t]*(?:(?:From[ \t]+\S+[ \t]+)?Require|Theorem|Lemma|Fixpoint|Inductive)\b|^[ \t]*Proof\./m, 'coq'],
    [/^(?:pub[ \t]+)?fn[ \t]+(?:\([^)\n]*\)[ \t]*)?\w+\(/m, 'vlang'],
  ],
  fs: [
    [/^[ \t]*(?:#version[ \t]+\d|precision[ \t]+(?:low|medium|high)p\b|(?:uniform|varying)[ \t]+\w)/m, 'glsl'],
    [/^:[ \t]+\S+[ \t][^\n]*;[ \t]*\r?$/m, 'forth'],
  ],
  cl: [[/^[ \t]*\((?:defun|defmacro|defpackage|in-package|defvar|defparameter)[ \t]/im, 'lisp']],
  d: [[/^[^\n:#]{1,200}\.l?o[ \t]*:(?!:)/, 'make']],
  r: [[/^[ \t]*REBOL[ \t]*\[/im, 'rebol']],
};

/** The language of a file whose extension several share, by what it holds; undefined where that tells nothing else. */
export function sharedLanguage(uri: string, head: Uint8Array): string | undefined {
  const extension = /\.([a-z]{1,2})$/i.exec(uri)?.[1]?.toLowerCase() ?? '';
  const marks = Object.hasOwn(SHARED, extension) ? SHARED[extension] : undefined;
  if (marks === undefined) return undefined;
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(HEAD, head.length)).toString('latin1');
  return marks.find(([pattern]) => pattern.test(text))?.[1];
}
