import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { knownArchives } from '../../src/references/knownArchives.ts';
import { safePath } from '../../src/references/reference.ts';
import { checkedRules, membersFor, rulesJson } from '../../src/references/rules.ts';

describe('archive rules', () => {
  it('expand braces, in order, and leave every other character as it is', () => {
    const archives = (text: string) => checkedRules([{ prefix: '', archives: text }])[0]!.archives;
    expect(archives('hf://datasets/o/n@v1/raw/{a,b}_{09..11}.tar.gz')).toEqual(
      ['a', 'b'].flatMap((letter) => ['09', '10', '11'].map((n) => `hf://datasets/o/n@v1/raw/${letter}_${n}.tar.gz`)),
    );
    expect(archives(`it's "a" [1] (b)\\c.tar`)).toEqual([`it's "a" [1] (b)\\c.tar`]);
  });

  it('look for members that are named by the path, whatever a rule and a path say', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('', 'images/', 'im', 'images/x'),
        fc.constantFrom(undefined, true, false),
        fc.constantFrom(undefined, 'train', 'a/b/'),
        fc.array(fc.constantFrom('images', 'x', 'y.png', 'im'), { minLength: 1, maxLength: 4 }),
        (prefix, strip, folder, names) => {
          const [rule] = checkedRules([
            { prefix, strip: folder === undefined ? strip : undefined, folder, archives: 'x.zip' },
          ]);
          const path = safePath(names.join('/'));
          const members = membersFor(rule!, path, undefined);
          if (!path.startsWith(prefix)) expect(members).toEqual([]);
          expect(new Set(members).size).toBe(members.length);
          for (const member of members) {
            expect(safePath(member)).toBe(member);
            expect(
              path.endsWith(folder === undefined ? member : member.slice(`${folder.replace(/\/$/, '')}/`.length)),
            ).toBe(true);
          }
        },
      ),
    );
  });

  it('that are built in are sound, and each concerns a dataset of its own', () => {
    const rules = checkedRules(knownArchives);
    expect(rules.every(({ dataset }) => dataset !== undefined)).toBe(true);
    expect(new Set(rules.map(({ dataset }) => dataset)).size).toBe(rules.length);
    expect(rules.flatMap(({ archives }) => archives)).toHaveLength(11);
    expect(membersFor(rules[0]!, 'images/coco/1.jpg', 'someone/else')).toEqual([]);
    expect(JSON.parse(JSON.stringify(rulesJson(rules)))).toEqual(rulesJson(rules));
  });
});
