import { describe, expect, it } from 'vitest';
import { verifyOutput } from '../../src/run/verify.ts';
import { itSurvivesKills } from '../support/crashes.ts';

describe('a run with every sink of tables and archives', () => {
  const undisturbed = itSurvivesKills('tables.ts', 4);

  it('is found sound', async () => {
    const { output, files } = undisturbed();
    expect(await verifyOutput(output)).toMatchObject({ ok: true, findings: [] });
    const names = new Set(Object.keys(files).map((file) => file.split('/')[0]));
    for (const name of ['wds', 'npz', 'lines.jsonl', 'patches', 'documents', 'tables.db'])
      expect(names).toContain(name);
  });
});
