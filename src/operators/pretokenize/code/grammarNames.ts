import type { GrammarName } from './nodeKinds.ts';

/** Grammars by language, where the two have not the same name. */
export const GRAMMARS: Readonly<Record<string, GrammarName>> = {
  c: 'c',
  cpp: 'cpp',
  csharp: 'c_sharp',
  css: 'css',
  dart: 'dart',
  go: 'go',
  java: 'java',
  javascript: 'javascript',
  php: 'php',
  powershell: 'powershell',
  python: 'python',
  ruby: 'ruby',
  rust: 'rust',
  shell: 'bash',
  solidity: 'solidity',
  swift: 'swift',
  typescript: 'typescript',
  vue: 'vue',
};
