import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decoderVersions } from '../../../src/operators/pretokenize/decoderVersions.ts';
import { settled } from '../../../src/operators/pretokenize/settings.ts';
import { withVersion } from '../../../src/operators/pretokenize/text/markup/versions.ts';

const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));

describe('packages that decode', () => {
  it('are named in a plan as they are installed', () => {
    const all = decoderVersions(settled({}));
    expect(all).toEqual([...all].sort());
    expect(all).toContain(`sharp ${optionalDependencies.sharp}`);
    for (const each of all) {
      const [name = '', version] = each.split(' ');
      expect({ ...dependencies, ...optionalDependencies }[name], each).toBe(version);
    }
  });

  it('are none of those that are turned off', () => {
    const few = decoderVersions(settled({ image: false, audio: false }));
    expect(few.filter((each) => /sharp|audio|mpg123|opus/.test(each))).toEqual([]);
  });

  it('are told where they are not installed', () => {
    expect(withVersion('a-package-that-is-not-there')).toBe('a-package-that-is-not-there -');
  });
});
