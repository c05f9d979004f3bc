import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { openDatabase } from "../../src/base/database.ts";

const bytes = encodeUtf8;

Deno.test("database gives what was put, before and after it reached the disk", () => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/state.db`;
  {
    using database = openDatabase(path);
    const table = database.table("peers");
    table.put("/a/1", bytes("one"));
    table.put("/a/2", bytes("two"));
    table.put("/b/1", bytes("other"));
    table.delete("/a/2");
    assertEquals(table.list("/a").map(([key]) => key), ["/a/1"]);
    assertEquals(database.bytesWritten, 0);
    database.flush();
    assert(database.bytesWritten > 0);
    const written = database.bytesWritten;
    database.flush();
    assertEquals(database.bytesWritten, written);
    table.delete("/b/1");
    assertEquals([table.get("/b/1"), table.list("/b").length], [undefined, 0]);
    table.put("/a/3", bytes("three"));
  }
  using again = openDatabase(path);
  assertEquals(again.table("peers").list("").map(([key]) => key), ["/a/1", "/a/3"]);
  assertEquals(new Uint8Array(again.table("peers").get("/a/1")!), bytes("one"));
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("database keeps two tables apart and refuses names that are no plain words", () => {
  using database = openDatabase(":memory:");
  database.table("one").put("k", bytes("1"));
  assertEquals(database.table("two").get("k"), undefined);
  assertThrows(() => database.table("x; DROP TABLE one"), RangeError);
});

Deno.test("database moves a damaged file aside and goes on with a fresh one", () => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/state.db`;
  Deno.writeTextFileSync(path, "this is no database at all, ".repeat(200));
  {
    using database = openDatabase(path);
    database.table("t").put("k", bytes("v"));
  }
  assert(Deno.statSync(`${path}.damaged`).isFile);
  using database = openDatabase(path);
  assertEquals(new Uint8Array(database.table("t").get("k")!), bytes("v"));
  Deno.removeSync(folder, { recursive: true });
});
