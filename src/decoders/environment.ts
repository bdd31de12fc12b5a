/**
 * What a decoder may know of the environment of this process: where programs, libraries, fonts and temporary files are, and
 * how Node is to be started. Tokens and passwords are for those who need them.
 */
const KEPT = [
  'PATH',
  'HOME',
  'TMPDIR',
  'NODE_OPTIONS',
  'NODE_ICU_DATA',
  // libraries
  'LD_LIBRARY_PATH',
  'LD_PRELOAD',
  'DYLD_LIBRARY_PATH',
  'DYLD_FALLBACK_LIBRARY_PATH',
  'MALLOC_ARENA_MAX',
  // fonts
  'FONTCONFIG_FILE',
  'FONTCONFIG_PATH',
  'FONTCONFIG_SYSROOT',
  'XDG_CACHE_HOME',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'XDG_DATA_DIRS',
  // Windows
  'SystemDrive',
  'SystemRoot',
  'windir',
  'COMSPEC',
  'PATHEXT',
  'TEMP',
  'TMP',
  'USERPROFILE',
  'APPDATA',
  'LOCALAPPDATA',
  'ProgramData',
] as const;

/** Times without a zone, and fonts that a language prefers, are the same on every machine. */
const FIXED = { TZ: 'UTC', LC_ALL: 'C.UTF-8' } as const;

/** The environment in which decoders, and the programs that they start, run. */
export function decoderEnvironment(own: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of KEPT) {
    const value = own[name];
    if (value !== undefined) kept[name] = value;
  }
  return { ...kept, ...FIXED };
}
