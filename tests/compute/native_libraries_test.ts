import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { encodeUtf8, toHex } from "../../src/base/bytes.ts";
import { NodeError } from "../../src/base/errors.ts";
import { BASE_LIBRARY, FRONT_LIBRARY } from "../../src/compute/ggml_ffi.ts";
import { openNativeLibraries, writeOutLibraries } from "../../src/compute/native_libraries.ts";

const BUILT = new URL(`../../native/${Deno.build.target}/`, import.meta.url);
const isBuilt = await Deno.stat(new URL("manifest.json", BUILT)).then(() => true, () => false);
/** Root may write anywhere. */
const isRoot = Deno.uid() === 0;

const sha256 = async (bytes: Uint8Array<ArrayBuffer>) =>
  toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));

/** A folder `source` of two made-up libraries, and `parent` to write them to. */
class Place implements AsyncDisposable {
  private constructor(readonly root: string) {}

  static async open(): Promise<Place> {
    const place = new Place(await Deno.makeTempDir({ prefix: "kwaainet-native-" }));
    await place.build({ "liba.so": "first", "libb.so": "second" });
    return place;
  }

  readonly parent = () => `${this.root}/data/native`;
  readonly source = () => new URL(`file://${this.root}/source`);
  readonly writeOut = () => writeOutLibraries(this.source(), this.parent());

  async build(files: Readonly<Record<string, string>>): Promise<void> {
    const sums: Record<string, string> = {};
    await Deno.mkdir(`${this.root}/source`, { recursive: true });
    for (const [name, words] of Object.entries(files)) {
      sums[name] = await sha256(encodeUtf8(words));
      await Deno.writeTextFile(`${this.root}/source/${name}`, words);
    }
    await this.manifest(JSON.stringify({ package: "made up", files: sums }));
  }

  manifest(words: string): Promise<void> {
    return Deno.writeTextFile(`${this.root}/source/manifest.json`, words);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.root, { recursive: true });
  }
}

const visibleFiles = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => !name.startsWith(".")).sort();

Deno.test("Native libraries are written out below the data folder, nothing but what the manifest names", async () => {
  await using place = await Place.open();
  await Deno.writeTextFile(`${place.root}/source/libextra.so`, "not in the manifest");
  const folder = await place.writeOut();
  assertEquals(folder.slice(0, folder.lastIndexOf("/")), await Deno.realPath(place.parent()));
  assertEquals(visibleFiles(folder), ["liba.so", "libb.so"]);
  assertEquals(await Deno.readTextFile(`${folder}/libb.so`), "second");
  assertEquals((await Deno.stat(folder)).mode! & 0o777, 0o700);
});

Deno.test("Native libraries that are there and whole are not written again", async () => {
  await using place = await Place.open();
  const folder = await place.writeOut();
  const before = (await Deno.stat(`${folder}/liba.so`)).ino;
  assertEquals(await place.writeOut(), folder);
  assertEquals((await Deno.stat(`${folder}/liba.so`)).ino, before);
});

Deno.test("Native libraries that are cut, changed or missing are replaced, the others kept", async () => {
  await using place = await Place.open();
  const folder = await place.writeOut();
  const kept = (await Deno.stat(`${folder}/libb.so`)).ino;
  for (
    const damage of [
      () => Deno.truncate(`${folder}/liba.so`, 2),
      () => Deno.writeTextFile(`${folder}/liba.so`, "FIRST"),
      () => Deno.remove(`${folder}/liba.so`),
    ]
  ) {
    await damage();
    assertEquals(await place.writeOut(), folder);
    assertEquals(await Deno.readTextFile(`${folder}/liba.so`), "first");
    assertEquals((await Deno.stat(`${folder}/libb.so`)).ino, kept);
  }
});

Deno.test("Native libraries are replaced under their name, so that who has the old file open keeps it", async () => {
  await using place = await Place.open();
  const folder = await place.writeOut();
  await Deno.writeTextFile(`${folder}/liba.so`, "old one");
  using open = await Deno.open(`${folder}/liba.so`);
  await place.writeOut();
  assertEquals(await new Response(open.readable).text(), "old one");
  assertEquals(await Deno.readTextFile(`${folder}/liba.so`), "first");
});

Deno.test("Native libraries outlive a process that was killed while it wrote them", async () => {
  await using place = await Place.open();
  const folder = await place.writeOut();
  await Deno.remove(`${folder}/libb.so`);
  await Deno.writeTextFile(`${folder}/.part`, "sec");
  await place.writeOut();
  assertEquals(visibleFiles(folder), ["liba.so", "libb.so"]);
  assertEquals(await Deno.stat(`${folder}/.part`).catch(() => "gone"), "gone");
});

Deno.test("Native libraries can be written out by several at once", async () => {
  await using place = await Place.open();
  const folders = await Promise.all(Array.from({ length: 8 }, place.writeOut));
  assertEquals(new Set(folders).size, 1);
  assertEquals(await Deno.readTextFile(`${folders[0]}/liba.so`), "first");
});

Deno.test("Native libraries of another version go once the new ones lie there, other folders stay", async () => {
  await using place = await Place.open();
  const old = await place.writeOut();
  await Deno.mkdir(`${place.parent()}/of the operator`);
  await place.build({ "liba.so": "newer" });
  const folder = await place.writeOut();
  assert(folder !== old);
  assertEquals(visibleFiles(place.parent()), [folder.split("/").at(-1)!, "of the operator"].sort());
});

Deno.test("Native libraries that do not have the sums of their manifest are refused by name", async () => {
  await using place = await Place.open();
  await Deno.writeTextFile(`${place.root}/source/libb.so`, "tampered");
  const error = await assertRejects(place.writeOut, NodeError, "libb.so");
  assertEquals((error as NodeError).code, "corrupt");
  const [folder] = visibleFiles(place.parent());
  assertEquals(visibleFiles(`${place.parent()}/${folder}`), ["liba.so"]);
  await Deno.remove(`${place.root}/source/libb.so`);
  assertEquals(((await assertRejects(place.writeOut, NodeError, "libb.so")) as NodeError).code, "corrupt");
});

Deno.test("A manifest never leads out of the folder", async () => {
  await using place = await Place.open();
  const sum = await sha256(encodeUtf8("x"));
  for (const name of ["../liba.so", "/etc/passwd", "a/b.so", "..", ".", ".part", ".lock", "", "a\0b"]) {
    await place.manifest(JSON.stringify({ files: { [name]: sum } }));
    const error = await assertRejects(place.writeOut, NodeError);
    assertEquals((error as NodeError).code, "corrupt", name);
  }
});

Deno.test("A damaged manifest is told as such at every cut and for any content", async () => {
  await using place = await Place.open();
  const whole = await Deno.readTextFile(`${place.root}/source/manifest.json`);
  const isCorrupt = async (words: string) => {
    await place.manifest(words);
    const error = await assertRejects(place.writeOut, NodeError);
    assertEquals((error as NodeError).code, "corrupt", words);
  };
  for (let cut = 0; cut < whole.length; cut++) await isCorrupt(whole.slice(0, cut));
  await isCorrupt(" ".repeat(1 << 17));
  await fc.assert(fc.asyncProperty(fc.json(), isCorrupt), { numRuns: 50 });
});

Deno.test({
  name: "A data folder that cannot be written is denied with the cure",
  fn: async () => {
    await using place = await Place.open();
    // A file where a folder is wanted stops root too
    await Deno.writeTextFile(`${place.root}/data`, "");
    const error = await assertRejects(place.writeOut, NodeError) as NodeError;
    assertEquals(error.code, "denied");
    assertStringIncludes(error.message, "--data-dir");
  },
});

Deno.test({
  name: "Native libraries that are whole are used from a data folder that cannot be written",
  ignore: isRoot, // root writes to folders that are closed to everybody
  fn: async () => {
    await using place = await Place.open();
    const folder = await place.writeOut();
    await Deno.chmod(folder, 0o500);
    assertEquals(await place.writeOut(), folder);
    await Deno.chmod(folder, 0o700);
  },
});

Deno.test("A whole ggml in the operator's folder is used as it lies there", async () => {
  await using place = await Place.open();
  const own = `${place.root}/own`;
  await Deno.mkdir(own);
  await Deno.writeTextFile(`${own}/${BASE_LIBRARY}`, "");
  await Deno.writeTextFile(`${own}/${FRONT_LIBRARY}`, "");
  const dataDir = `${place.root}/data`;
  assertEquals(await openNativeLibraries({ dataDir, backendDir: own }), await Deno.realPath(own));
  assertEquals(await Deno.stat(dataDir).catch(() => "nothing written"), "nothing written");
});

Deno.test("An operator's folder that is not there is no backend, told by its name", async () => {
  const error = await assertRejects(
    () => openNativeLibraries({ dataDir: "/nowhere", backendDir: "/nowhere/at/all" }),
    NodeError,
    "/nowhere/at/all",
  );
  assertEquals((error as NodeError).code, "no_backend");
});

Deno.test({
  name: "The built-in libraries are written out, also beside an operator's folder that only adds to them",
  ignore: !isBuilt, // deno run -A scripts/native_libraries.ts fetches them
  fn: async () => {
    await using place = await Place.open();
    const extra = `${place.root}/extra`;
    await Deno.mkdir(extra);
    await Deno.writeTextFile(`${extra}/libggml-vulkan.so`, "");
    const folder = await openNativeLibraries({ dataDir: `${place.root}/data`, backendDir: extra });
    const { files } = JSON.parse(await Deno.readTextFile(new URL("manifest.json", BUILT)));
    assertEquals(visibleFiles(folder), Object.keys(files).sort());
    assertEquals(await openNativeLibraries({ dataDir: `${place.root}/data` }), folder);
  },
});
