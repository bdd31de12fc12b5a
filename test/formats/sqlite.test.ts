import { describe, expect, it } from 'vitest';
import { openSqlite, RowInserter, sqliteError } from '../../src/formats/sqlite.ts';

describe('rows inserted into SQLite', () => {
  it.each([0, 1, 31, 32, 33, 100])('arrive in order and complete when there are %d', async (count) => {
    const db = await openSqlite(':memory:');
    db.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)');
    const rows = new RowInserter(db, 't', 2);
    for (let i = 0; i < count; i++) rows.add(i, `row ${i}`);
    rows.flush();
    rows.flush();
    const expected = Array.from({ length: count }, (_, i) => [i, `row ${i}`]);
    expect(db.prepare('SELECT id, name FROM t ORDER BY rowid').raw().all()).toEqual(expected);
  });

  it('fail with the code of the disk when there is no room left', async () => {
    const db = await openSqlite(':memory:');
    db.exec('CREATE TABLE t(data BLOB)');
    db.pragma('max_page_count = 3');
    const rows = new RowInserter(db, 't', 1);
    rows.add(new Uint8Array(100_000));
    let failure: unknown;
    try {
      rows.flush();
    } catch (error) {
      failure = sqliteError(error, 'x.db');
    }
    expect(failure).toMatchObject({ name: 'OutputError', code: 'ENOSPC', path: 'x.db' });
  });

  it('leave other errors as they are', () => {
    const error = new TypeError('not of SQLite');
    expect(sqliteError(error, 'x.db')).toBe(error);
  });
});
