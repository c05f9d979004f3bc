/**
 * Small tables that survive a restart, in one SQLite file (node:sqlite). Writes are gathered and written in one
 * transaction now and then: a memory card lives longer, and a kill loses minutes of bookkeeping but never the file.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { NodeError } from "./errors.ts";

/** A table of bytes by name. Reads see writes at once. */
export interface Table {
  get(key: string): Uint8Array | undefined;
  put(key: string, value: Uint8Array): void;
  delete(key: string): void;
  /** Entries whose key begins with `prefix`, in the order of keys. */
  list(prefix: string): readonly (readonly [string, Uint8Array])[];
}

/** An open file of tables. Dispose to write what is gathered and close it. */
export interface Database extends Disposable {
  /** The table of that name, made where it is absent. `name` is a plain word. */
  table(name: string): Table;
  /** Writes what is gathered, in one transaction. */
  flush(): void;
  /** Bytes of keys and values written so far: what the disk was asked to bear. */
  readonly bytesWritten: number;
}

/**
 * Opens or makes `path`; `:memory:` keeps nothing. A file that is no database is moved aside to `<path>.damaged`, as
 * nothing in it is worth more than a running node. Throws `NodeError` `denied`.
 */
export function openDatabase(path: string): Database {
  try {
    return new SqliteDatabase(openFile(path));
  } catch (error) {
    if (path === ":memory:" || !isDamaged(error)) {
      throw new NodeError("denied", `Cannot open ${path}: ${String(error)}, wanted a writable file`, {
        cause: error,
      });
    }
    Deno.renameSync(path, `${path}.damaged`);
    return new SqliteDatabase(openFile(path));
  }
}

function openFile(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  // at rest there is one file and nothing to replay: docs/decisions/journal.md
  database.exec("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; PRAGMA quick_check");
  database.prepare("SELECT count(*) FROM sqlite_master").get();
  return database;
}

const isDamaged = (error: unknown) => /not a database|malformed/.test(String(error));

/** A table that keeps nothing over a restart. */
export function memoryTable(): Table {
  const entries = new Map<string, Uint8Array>();
  return {
    get: (key) => entries.get(key),
    put: (key, value) => void entries.set(key, value.slice()),
    delete: (key) => void entries.delete(key),
    list: (prefix) => sorted([...entries].filter(([key]) => key.startsWith(prefix))),
  };
}

const sorted = <T extends readonly [string, Uint8Array]>(entries: T[]): T[] =>
  entries.sort(([a], [b]) => a < b ? -1 : 1);

class SqliteDatabase implements Database {
  readonly #tables = new Map<string, SqliteTable>();
  #bytes = 0;

  constructor(readonly file: DatabaseSync) {}

  get bytesWritten(): number {
    return this.#bytes;
  }

  table(name: string): Table {
    if (!/^[a-z0-9_]+$/.test(name)) {
      throw new RangeError(`Cannot name a table ${JSON.stringify(name)}, wanted a plain word`);
    }
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = new SqliteTable(this.file, name);
      this.#tables.set(name, table);
    }
    return table;
  }

  flush(): void {
    const tables = [...this.#tables.values()].filter((table) => table.isDirty);
    if (tables.length === 0) return;
    this.file.exec("BEGIN IMMEDIATE");
    try {
      let bytes = 0;
      for (const table of tables) bytes += table.write();
      this.file.exec("COMMIT");
      this.#bytes += bytes;
      for (const table of tables) table.written();
    } catch (error) {
      this.file.exec("ROLLBACK");
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.flush();
    this.file.close();
  }
}

class SqliteTable implements Table {
  /** Changes not on disk; `undefined` deletes. */
  readonly #changes = new Map<string, Uint8Array | undefined>();
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #list: StatementSync;

  constructor(file: DatabaseSync, name: string) {
    file.exec(`CREATE TABLE IF NOT EXISTS ${name} (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID`);
    this.#get = file.prepare(`SELECT value FROM ${name} WHERE key = ?`);
    this.#put = file.prepare(`INSERT OR REPLACE INTO ${name} VALUES (?, ?)`);
    this.#delete = file.prepare(`DELETE FROM ${name} WHERE key = ?`);
    this.#list = file.prepare(`SELECT key, value FROM ${name} WHERE key >= ? AND key < ? ORDER BY key`);
  }

  get isDirty(): boolean {
    return this.#changes.size > 0;
  }

  get(key: string): Uint8Array | undefined {
    if (this.#changes.has(key)) return this.#changes.get(key);
    return this.#get.get(key)?.value as Uint8Array | undefined;
  }

  put(key: string, value: Uint8Array): void {
    this.#changes.set(key, value.slice());
  }

  delete(key: string): void {
    this.#changes.set(key, undefined);
  }

  list(prefix: string): readonly (readonly [string, Uint8Array])[] {
    const found = new Map(
      this.#list.all(prefix, `${prefix}\u{10ffff}`).map((
        { key, value },
      ) => [key as string, value as Uint8Array]),
    );
    for (const [key, value] of this.#changes) {
      if (!key.startsWith(prefix)) continue;
      if (value === undefined) found.delete(key);
      else found.set(key, value);
    }
    return sorted([...found]);
  }

  /** Inside a transaction: what was gathered goes to the file. Gives its size. */
  write(): number {
    let bytes = 0;
    for (const [key, value] of this.#changes) {
      if (value === undefined) this.#delete.run(key);
      else this.#put.run(key, value);
      bytes += key.length + (value?.length ?? 0);
    }
    return bytes;
  }

  /** After the transaction. */
  written(): void {
    this.#changes.clear();
  }
}
