import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { fileAct, openFileRanges } from "../../src/model/byte_ranges.ts";
import { writeAll } from "../../src/model/transfer.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

const signal = AbortSignal.timeout(60_000);

Deno.test("openFileRanges reads any part, and less where the file ends", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/a`;
  await Deno.writeFile(path, Uint8Array.from({ length: 100 }, (_, i) => i));
  await using ranges = await openFileRanges(path);
  assertEquals(ranges.size, 100);
  assertEquals(await ranges.read(10, 3, signal), Uint8Array.of(10, 11, 12));
  assertEquals(await ranges.read(98, 10, signal), Uint8Array.of(98, 99));
  assertEquals(await ranges.read(200, 10, signal), new Uint8Array(0));
  const many = await Promise.all(Array.from({ length: 50 }, (_, i) => ranges.read(2 * i, 2, signal)));
  assertEquals(many.map((bytes) => bytes[0]), Array.from({ length: 50 }, (_, i) => 2 * i));
});

Deno.test("openFileRanges refuses folders, and files that are not there", async () => {
  const code = async (path: string) => (await assertRejects(() => openFileRanges(path), NodeError)).code;
  await using folder = await temporaryFolder();
  assertEquals([await code(folder.path), await code(`${folder.path}/none`)], ["unsupported", "not_found"]);
});

const isLinux = Deno.build.os === "linux";
Deno.test({
  name: `writeAll to a full disk says so${isLinux ? "" : " (skipped: no /dev/full, this is not Linux)"}`,
  ignore: !isLinux,
  fn: async () => {
    using full = await Deno.open("/dev/full", { write: true });
    const writing = () => writeAll(full, new Uint8Array(10), "/dev/full");
    assertEquals((await assertRejects(writing, NodeError, "disk is full")).code, "too_large");
  },
});

Deno.test("fileAct lets pass what is not the operating system's refusal", async () => {
  const reason = new NodeError("aborted", "Enough");
  assertEquals(await assertRejects(() => fileAct("read", "a", () => Promise.reject(reason))), reason);
  const damaged = () => Promise.reject(new Error("Input/output error (os error 5)"));
  assertEquals((await assertRejects(() => fileAct("read", "a", damaged), NodeError)).code, "corrupt");
});
