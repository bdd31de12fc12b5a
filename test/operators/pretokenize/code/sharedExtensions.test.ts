import { describe, expect, it } from 'vitest';
import { detect } from '../../../../src/operators/pretokenize/detect.ts';

const found = (text: string, name: string) =>
  detect(Buffer.from(text), name, { modality: undefined, fallbackCharset: undefined });

describe('an extension that several languages share', () => {
  it.each([
    ['a.h', 'objective-c', '#import <Foundation/Foundation.h>\n@interface A : NSObject\n@end\n'],
    ['a.m', 'matlab', 'function y = f(x)\n% comment\ny = x.^2;\nend\n'],
    ['a.m', 'mathematica', '(* ::Package:: *)\nBeginPackage["A`"]\nf[x_] := x^2\n'],
    ['a.pl', 'prolog', 'parent(tom, bob).\ngrand(X, Y) :- parent(X, Z), parent(Z, Y).\n'],
    ['a.v', 'coq', 'Require Import Arith.\nTheorem t : forall n, n + 0 = n.\nProof. auto. Qed.\n'],
    ['a.v', 'vlang', 'module main\n\nfn main() {\n\tprintln(1)\n}\n'],
    ['a.fs', 'glsl', '#version 330\nuniform vec3 c;\nvoid main() {}\n'],
    ['a.fs', 'forth', ': square dup * ;\n5 square .\n'],
    ['a.cl', 'lisp', '(in-package :a)\n(defun f (x) x)\n'],
    ['a.d', 'make', 'foo.o: foo.c foo.h \\\n  bar.h\n'],
    ['a.R', 'rebol', 'REBOL [Title: "x"]\n'],
  ])('%s is %s where it holds that', async (name, language, text) => {
    expect(await found(text, name)).toEqual({
      modality: 'code',
      mediaType: `text/x-${language}`,
      confidence: 0.9,
      charset: 'utf-8',
      language,
    });
  });

  it.each([
    ['a.h', 'c', '#ifndef A\n#define A\nint f(int a);\n#endif\n'],
    ['a.m', 'objective-c', '// a\n@implementation A\n- (void)x { end(); }\n@end\n'],
    ['a.pl', 'perl', 'use strict;\nmy %h = (a => 1);\nprint "head :- tail";\n'],
    ['a.v', 'verilog', 'module a(input clk);\nfunction f; endfunction\nendmodule\n'],
    ['a.fs', 'fsharp', 'module A\nlet f (x : int) = x + 1\ntype T = { a : int; b : int; }\n'],
    ['a.cl', 'opencl', '__kernel void f(__global float* a) { a[0] += 1; }\n'],
    ['a.d', 'd', 'import std.stdio;\nvoid main() { auto x = a ? b.o : c; }\n'],
    ['a.r', 'r', 'f <- function(x) x + 1\n'],
    ['a.m', 'objective-c', 'x\n'],
  ])('%s is %s, of which it is the usual one', async (name, language, text) => {
    expect(await found(text, name)).toMatchObject({ confidence: 1, language, mediaType: `text/x-${language}` });
  });
});
