import { describe, expect, it } from 'vitest';
import { languageByContent } from '../../../../src/operators/pretokenize/code/languageByContent.ts';
import { languageOf } from '../../../../src/operators/pretokenize/languages.ts';
import { sources } from './support.ts';

const guess = (text: string, uri?: string) => languageByContent(Buffer.from(text), uri)?.language;

const PROSE: readonly (readonly [what: string, text: string])[] = [
  [
    'English',
    'Call me Ishmael. Some years ago, never mind how long, having little or no money in my purse,\nI thought I would sail about; import and export were the class of trade that I knew.\n',
  ],
  [
    'wrapped English',
    'from the beginning of the world\nreturn to the place where you began,\nif you can, while you may;\nuse what you have\n',
  ],
  [
    'German',
    'Über die schönen Häuser der Städte führen Straßen, die für Fußgänger nicht geöffnet sind.\nSie enden hier.\n',
  ],
  ['French', 'L’été dernier, nous avons visité une île ; les hôtels étaient fermés, et le café était froid.\n'],
  ['Russian', 'Привет, мир! Это обычный русский текст, который нужен для проверки.\nОн никогда не был программой.\n'],
  ['Chinese', '这是一个中文文本，用来检查检测是否正确。它包含几个句子，都是普通的汉字。\n'],
  [
    'dialogue',
    'HAMLET: To be, or not to be: that is the question.\nOPHELIA: Good my lord;\nHow does your honour for this many a day?\n',
  ],
  ['a list', '- apples: 3\n- pears (green): 4\n- plums [ripe]\n* figs {dry}\n1. dates;\n'],
  [
    'Markdown',
    '# Use\n\nSee [the docs](https://example.org).\n\n```python\nimport os\n\ndef f(x):\n    return x\n```\n',
  ],
  ['CSV', 'id,name,total\n1,"a (b)",3.5\n2,"c = d;",4\n3,e,\n'],
  [
    'a log',
    '2024-01-01 10:00:00 INFO Server.start() done in 3 ms\n2024-01-01 10:00:01 ERROR at Main.java:12 (x = 3);\n',
  ],
  ['JSON', '{\n  "import": [1, 2, 3],\n  "def": {"class": "x"},\n  "return": null\n}\n'],
  ['YAML', 'on:\n  push:\n    branches: [main]\njobs:\n  build:\n    steps:\n      - run: echo "a" && exit 1\n'],
  ['TOML', '[package]\nname = "a"\nversion = "1.0"\n\n[dependencies]\nserde = { version = "1" }\n'],
  ['INI', '[mail]\nhost=example.org\nport=25\nuser=a\n[log]\npath=/var/log\n'],
  ['HTML', '<!DOCTYPE html>\n<html>\n<script>\nfunction f() { return 1; }\n</script>\n</html>\n'],
  ['XML', '<?xml version="1.0"?>\n<a b="c">\n  <d e="f"/>\n</a>\n'],
  ['LaTeX', '\\documentclass{article}\n\\begin{document}\n$x = 1;$ {a}\n\\end{document}\n'],
  ['a patch', 'diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n-import os\n+import sys\n'],
  ['mail', 'From: a@example.org\nSubject: import\nTo: b@example.org\n\ndef f(x):\n    return x\n'],
  ['nothing', ''],
];

describe('the language of text, by its content', () => {
  it.each([...sources])('%s is told', (language, { bytes }) => {
    const expected = language === 'tsx' ? 'typescript' : language;
    expect(languageByContent(bytes)).toEqual({ language: expected, confidence: expect.closeTo(0.85, 0) });
  });

  it('is told of half a source in all but two of thirty', () => {
    const missed = [...sources].filter(([language, { bytes }]) => {
      const found = languageByContent(bytes.subarray(0, bytes.length >> 1))?.language;
      return found !== (language === 'tsx' ? 'typescript' : language);
    });
    expect(
      missed.map(([language]) => language).filter((language) => !['make', 'dockerfile'].includes(language)),
    ).toEqual([]);
  });

  it.each(PROSE)('%s is no code', (_what, text) => {
    expect(guess(text)).toBeUndefined();
    expect(guess(text.repeat(20))).toBeUndefined();
  });

  it.each([
    ['#!/bin/sh\n', 'shell'],
    ['#!/usr/bin/env python3.12\n', 'python'],
    ['#!/usr/bin/env -S A=b node --no-warnings\n', 'javascript'],
    ['\ufeff#!/usr/local/bin/perl -w\r\n', 'perl'],
    ['#!/opt/unheard/of\n', undefined],
    ['#! is how scripts begin.\n', undefined],
    ['# -*- mode: ruby; coding: utf-8 -*-\n', 'ruby'],
    ['/* -*- C++ -*- */\n', 'cpp'],
    ['# vim: set ft=sh:\n', 'shell'],
    ['<?php echo 1;\n', 'php'],
  ])('%j is a sign of %s', (text, language) => {
    expect(guess(`${text}x\n`)).toBe(language);
  });

  it('is not guessed by keywords where the name says text, but by its first line still', () => {
    const { bytes } = sources.get('rust')!;
    expect(languageByContent(bytes, 'notes.txt')).toBeUndefined();
    expect(languageByContent(bytes, 'notes')?.language).toBe('rust');
    expect(guess('#!/bin/sh\n', 'script.txt')).toBe('shell');
  });

  it.each([
    ['blank lines', `a();\nb();\n${'\n'.repeat(8000)}`],
    ['one line', `a();\nb();\n${'def f()) -> '.repeat(700)}`],
    ['blanks', `a();\nb();\n${' '.repeat(8000)}`],
    ['modes', '-*- '.repeat(2000)],
    ['comments', '/*'.repeat(4000)],
    ['headings', '# a\n'.repeat(2000)],
    ['rules', '====\n'.repeat(1600)],
    ['signs', '{$@%=;(['.repeat(1000)],
  ])('takes little time for 8 kB of %s', (_what, text) => {
    const before = process.cpuUsage();
    guess(text);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e3).toBeLessThan(1000);
  });
});

describe('the language that a name tells', () => {
  it.each([
    ['src/Makefile', 'make'],
    ['x.zip!/CMakeLists.txt', 'cmake'],
    ['Dockerfile', 'dockerfile'],
    ['a.TSX', 'typescript'],
    ['.bashrc', 'shell'],
    ['.py', undefined],
    ['a.constructor', undefined],
    ['constructor', undefined],
  ])('%s: %s', (uri, language) => {
    expect(languageOf(uri)).toBe(language);
  });
});
