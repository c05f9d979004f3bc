import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { openModel } from "../../src/model/open_model.ts";
import { ModelStore } from "../../src/model/store.ts";
import type { TransferProgress } from "../../src/model/transfer.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { writeTinyCheckpoint, writeTinyGguf } from "../support/tiny_model.ts";
import { fakeWorld } from "../support/world.ts";

const signal = AbortSignal.timeout(60_000);
const quiet = () => {};

async function openStore() {
  const folder = await temporaryFolder();
  const world = fakeWorld();
  const store = new ModelStore(world, `${folder.path}/data/models`);
  const file = `${folder.path}/Tiny-1.Q8.gguf`;
  const checkpoint = `${folder.path}/Tiny-HF`;
  await writeTinyGguf(file);
  await writeTinyCheckpoint(checkpoint, { blocksPerFile: 2 });
  await Deno.writeTextFile(`${checkpoint}/README.md`, "not needed");
  return {
    store,
    world,
    file,
    checkpoint,
    root: folder.path,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

const filesIn = async (folder: string) =>
  (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();

Deno.test("ModelStore takes in a GGUF file and a checkpoint, lists them by name and opens them", async () => {
  await using at = await openStore();
  const file = await at.store.add({ path: at.file }, quiet, signal);
  const folder = await at.store.add({ path: at.checkpoint, name: "mine" }, quiet, signal);
  assertEquals([file.name, file.main, folder.name, folder.main], [
    "Tiny-1.Q8",
    "Tiny-1.Q8.gguf",
    "mine",
    ".",
  ]);
  assertEquals(folder.files.map(({ name }) => name).includes("README.md"), false);
  assertEquals(await at.store.list(signal), [file, folder]);
  assertEquals(await at.store.get("mine", signal), folder);
  for (const entry of [file, folder]) {
    await using model = await openModel(at.store.pathOf(entry), signal);
    assertEquals(model.architecture.blocks, 4);
  }
  assertEquals((await Deno.stat(`${at.root}/data/models`)).mode! & 0o777, 0o700);
});

Deno.test("ModelStore of a folder that does not exist is empty", async () => {
  await using at = await openStore();
  assertEquals(await at.store.list(signal), []);
  assertEquals(await at.store.get("nothing", signal), undefined);
  assertEquals(await at.store.remove("nothing", signal), false);
});

Deno.test("ModelStore tells how far it is, up to the last byte", async () => {
  await using at = await openStore();
  const told: TransferProgress[] = [];
  await at.store.add({ path: at.file }, (progress) => told.push(progress), signal);
  const { size } = await Deno.stat(at.file);
  assertEquals([told.at(-1)?.bytes, told.at(-1)?.totalBytes, told.at(-1)?.file], [
    size,
    size,
    "Tiny-1.Q8.gguf",
  ]);
});

Deno.test("ModelStore takes no name twice, and nothing that is no model", async () => {
  await using at = await openStore();
  await at.store.add({ path: at.file }, quiet, signal);
  const twice = await assertRejects(
    () => at.store.add({ path: at.file }, quiet, signal),
    NodeError,
    "models remove",
  );
  assertEquals(twice.code, "usage");
  await Deno.writeTextFile(`${at.root}/letter.gguf`, "Dear reader");
  const letter = `${at.root}/letter.gguf`;
  assertEquals(
    (await assertRejects(() => at.store.add({ path: letter }, quiet, signal), NodeError)).code,
    "corrupt",
  );
  for (const name of ["", "..", "a/../b", ".hidden", "a b", "x/", "a\0"]) {
    const bad = await assertRejects(
      () => at.store.add({ path: at.file, name }, quiet, signal),
      NodeError,
      "as the name",
    );
    assertEquals(bad.code, "usage");
  }
  assertEquals((await at.store.list(signal)).length, 1);
});

Deno.test("ModelStore links to a model in place of a copy when asked", async () => {
  await using at = await openStore();
  const entry = await at.store.add({ path: at.file, link: true }, quiet, signal);
  assert((await Deno.lstat(at.store.pathOf(entry))).isSymlink);
  assertEquals(await at.store.verify(entry.name, quiet, signal), []);
});

Deno.test("ModelStore leaves nothing behind of an add that was given up", async () => {
  await using at = await openStore();
  const stop = new AbortController();
  const given = at.store.add(
    { path: at.file },
    () => stop.abort(new NodeError("aborted", "Enough")),
    stop.signal,
  );
  // The file is one piece: the abort is seen before the entry is made, or the add is whole
  await given.catch(() => {});
  const left = (await filesIn(at.store.folder)).filter((name) => !name.startsWith(".lock-"));
  assertEquals(left, (await at.store.list(signal)).map(({ name }) => name));
});

Deno.test("ModelStore finds what was changed, cut or lost", async () => {
  await using at = await openStore();
  const entry = await at.store.add({ path: at.checkpoint }, quiet, signal);
  assertEquals(await at.store.verify(entry.name, quiet, signal), []);
  const folder = at.store.pathOf(entry);
  await Deno.remove(`${folder}/tokenizer.json`);
  await Deno.truncate(`${folder}/model-00001-of-00003.safetensors`, 10);
  const weights = `${folder}/model-00002-of-00003.safetensors`;
  const bytes = await Deno.readFile(weights);
  bytes[bytes.length - 1]! ^= 1;
  await Deno.writeFile(weights, bytes);
  const damages = await at.store.verify(entry.name, quiet, signal);
  const what = new Map(damages.map((damage) => [damage.file, damage.what]));
  assertEquals([...what.keys()].sort(), [
    "model-00001-of-00003.safetensors",
    "model-00002-of-00003.safetensors",
    "tokenizer.json",
  ]);
  assert(what.get("tokenizer.json")!.includes("missing"));
  assert(what.get("model-00001-of-00003.safetensors")!.includes("10 bytes"));
  const absent = await assertRejects(() => at.store.verify("nothing", quiet, signal), NodeError);
  assertEquals(absent.code, "not_found");
});

Deno.test("ModelStore removes a model with all its files", async () => {
  await using at = await openStore();
  const entry = await at.store.add({ path: at.file }, quiet, signal);
  assertEquals(await at.store.remove(entry.name, signal), true);
  assertEquals(await at.store.list(signal), []);
  assertEquals((await filesIn(at.store.folder)).filter((name) => !name.startsWith(".lock-")), []);
});

Deno.test("ModelStore passes over folders that are not its own, and replaces what a crash left", async () => {
  await using at = await openStore();
  await Deno.mkdir(`${at.store.folder}/Tiny-1.Q8`, { recursive: true });
  await Deno.writeTextFile(`${at.store.folder}/Tiny-1.Q8/entry.json`, `{"name": "../../etc"}`);
  assertEquals(await at.store.list(signal), []);
  await Deno.mkdir(`${at.store.folder}/.adding-Tiny-1.Q8`);
  await Deno.writeTextFile(`${at.store.folder}/.adding-Tiny-1.Q8/Tiny-1.Q8.gguf`, "half");
  await at.store.add({ path: at.file }, quiet, signal);
  assertEquals(await at.store.verify("Tiny-1.Q8", quiet, signal), []);
});

Deno.test("ModelStore asks the disk for room before it writes", async () => {
  await using at = await openStore();
  const plan = {
    name: "huge",
    id: "huge",
    source: "hf:a/huge",
    main: ".",
    totalBytes: 2 ** 60,
    resumable: true,
  };
  let filled = false;
  const fill = () => {
    filled = true;
    return Promise.resolve([]);
  };
  const error = await assertRejects(() => at.store.put(plan, fill, signal), NodeError, "GB free");
  assertEquals([error.code, filled], ["too_large", false]);
});

Deno.test("two that add one resumable model at once do the work once", async () => {
  await using at = await openStore();
  const plan = { name: "one", id: "one", source: "hf:a/one", main: ".", totalBytes: 1, resumable: true };
  let filled = 0;
  const fill = async () => {
    filled++;
    await Promise.resolve();
    return [];
  };
  const other = new ModelStore(at.world, at.store.folder);
  const [a, b] = await Promise.all([at.store.put(plan, fill, signal), other.put(plan, fill, signal)]);
  assertEquals([filled, a], [1, b]);
});
