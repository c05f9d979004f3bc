import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type ErrorCode, NodeError } from "../../src/base/errors.ts";
import type { World } from "../../src/base/world.ts";
import { DEMO_MODEL } from "../../src/model/demo_model.ts";
import {
  openNamedModel,
  parseHubSource,
  type ResolveContext,
  resolveModel,
} from "../../src/model/resolve.ts";
import { ModelStore } from "../../src/model/store.ts";
import type { TransferProgress } from "../../src/model/transfer.ts";
import { type HubOptions, openFakeHub } from "../support/hub.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";
import { tinyGgufBytes, writeTinyCheckpoint, writeTinyGguf } from "../support/tiny_model.ts";
import { fakeWorld } from "../support/world.ts";

const signal = AbortSignal.timeout(60_000);

/** Pauses pass at once, time limits never do, and each look at the clock takes a second. */
function hastyWorld(): World {
  const world = fakeWorld();
  const sleep = (ms: number, signal?: AbortSignal) =>
    ms < 30_000 ? Promise.resolve() : world.clock.sleep(ms, signal);
  const { now } = world.clock;
  let asked = 0;
  const monotonic = () => 1000 * asked++;
  return { ...world, clock: { now, monotonic, sleep } };
}

async function openPlace(options: HubOptions = { files: {} }) {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const hub = stack.use(openFakeHub(options));
  const world = hastyWorld();
  const told: TransferProgress[] = [];
  const context: ResolveContext = {
    world,
    store: new ModelStore(world, `${folder.path}/models`),
    environment: { HF_ENDPOINT: hub.endpoint, HOME: folder.path },
    onProgress: (progress) => told.push(progress),
  };
  const opened = stack.move();
  return { context, hub, told, path: folder.path, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

async function fails(
  context: ResolveContext,
  text: string,
  code: ErrorCode,
  part: string,
): Promise<NodeError> {
  const error = await assertRejects(() => resolveModel(context, text, signal), NodeError, part);
  assertEquals(error.code, code, error.message);
  return error;
}

async function checkpointFiles(repository: string): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  await using folder = await temporaryFolder();
  await writeTinyCheckpoint(folder.path, { blocksPerFile: 2 });
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for await (const { name } of Deno.readDir(folder.path)) {
    files[`${repository}/${name}`] = await Deno.readFile(`${folder.path}/${name}`);
  }
  return files;
}

Deno.test("resolveModel finds files, folders and models of the store", async () => {
  await using at = await openPlace();
  await writeTinyGguf(`${at.path}/a.gguf`);
  await writeTinyCheckpoint(`${at.path}/b`);
  assertEquals(await resolveModel(at.context, `${at.path}/a.gguf`, signal), { path: `${at.path}/a.gguf` });
  assertEquals(await resolveModel(at.context, `${at.path}/b`, signal), { path: `${at.path}/b` });
  await at.context.store.add({ path: `${at.path}/a.gguf`, name: "kept" }, () => {}, signal);
  const { source } = await openNamedModel(at.context, "kept", signal);
  await using model = source;
  assertEquals([model.id, model.architecture.blocks, model.tensors.size], ["kept", 4, 39]);
  assert((await model.read("output_norm.weight", signal)).length === 64 * 4);
});

Deno.test("resolveModel lists all it tried for a name that is nothing", async () => {
  await using at = await openPlace();
  const error = await fails(at.context, "no-such-model", "usage", "no file or folder");
  for (const part of ["store has no models", "smollm2-135m", "hf:"]) {
    assert(error.message.includes(part), part);
  }
  await Deno.mkdir(`${at.path}/empty`);
  await fails(at.context, `${at.path}/empty`, "usage", "has no config.json");
  assertEquals(at.hub.asked, []);
});

Deno.test("resolveModel fetches a GGUF file of Hugging Face once, and asks nobody the second time", async () => {
  const bytes = tinyGgufBytes();
  await using at = await openPlace({
    files: { "org/tiny-GGUF/tiny.Q8_0.gguf": bytes, "org/tiny-GGUF/other.gguf": bytes },
  });
  const first = await resolveModel(at.context, "hf:org/tiny-GGUF/tiny.Q8_0.gguf", signal);
  assertEquals([first.id, first.repository], ["org/tiny-GGUF", "https://huggingface.co/org/tiny-GGUF"]);
  assertEquals(await Deno.readFile(first.path), bytes);
  assertEquals([at.told.at(-1)?.bytes, at.told.at(-1)?.totalBytes], [bytes.length, bytes.length]);
  const asked = at.hub.asked.length;
  assertEquals(await resolveModel(at.context, "hf:org/tiny-GGUF/tiny.Q8_0.gguf", signal), first);
  assertEquals(at.hub.asked.length, asked);
});

Deno.test("resolveModel fetches a checkpoint's own files and opens it under org/name", async () => {
  const files = await checkpointFiles("org/tiny");
  await using at = await openPlace({ files: { ...files, "org/tiny/README.md": new Uint8Array(9) } });
  const { source, repository } = await openNamedModel(at.context, "hf:org/tiny", signal);
  await using model = source;
  assertEquals([model.id, repository], ["org/tiny", "https://huggingface.co/org/tiny"]);
  assertEquals(model.architecture.blocks, 4);
  assert((await model.tokenizer(signal)) !== undefined);
  assert(!at.hub.asked.some((path) => path.includes("README")));
  assertEquals((await resolveModel(at.context, "org/tiny", signal)).id, "org/tiny");
});

Deno.test("resolveModel goes on where a lost connection ended, within one call and after a restart", async () => {
  const bytes = tinyGgufBytes();
  const files = { "org/t/t.gguf": bytes };
  await using at = await openPlace({ files, cutAfter: 200_000 });
  const { path } = await resolveModel(at.context, "hf:org/t", signal);
  assertEquals(await Deno.readFile(path), bytes);
  assertEquals(at.hub.asked.filter((asked) => asked.includes("bytes=")).map((asked) => asked.split(" ")[1]), [
    "bytes=200000-",
    "bytes=400000-",
    "bytes=600000-",
  ]);
  await at.context.store.remove("org/t", signal);
  at.hub.options = { files, cutAfter: 0 };
  await fails(at.context, "hf:org/t", "unreachable", "0 of");
  at.hub.options = { files, cutAfter: 300_000 };
  await resolveModel(at.context, "hf:org/t", signal);
});

Deno.test("resolveModel begins anew where the server does not resume", async () => {
  const bytes = tinyGgufBytes();
  await using at = await openPlace({ files: { "org/t/t.gguf": bytes }, ranges: false });
  const half = `${at.context.store.folder}/.adding-org%2Ft`;
  await Deno.mkdir(half, { recursive: true });
  await Deno.writeFile(`${half}/t.gguf`, new Uint8Array(1000));
  const { path } = await resolveModel(at.context, "hf:org/t", signal);
  assertEquals(await Deno.readFile(path), bytes);
});

Deno.test("resolveModel refuses a file whose sum is wrong and fetches it anew the next time", async () => {
  const files = { "org/t/t.gguf": tinyGgufBytes() };
  await using at = await openPlace({ files, sha256: "0".repeat(64) });
  await fails(at.context, "hf:org/t", "corrupt", "wanted 0000");
  assertEquals(await at.context.store.list(signal), []);
  at.hub.options = { files };
  await resolveModel(at.context, "hf:org/t", signal);
});

Deno.test("resolveModel says what a repository lacks, whose it is, and how to go without the Internet", async () => {
  const gguf = tinyGgufBytes({ blocks: 1 });
  const files = { "org/two/a.gguf": gguf, "org/two/b.gguf": gguf, "org/old/pytorch_model.bin": gguf };
  await using at = await openPlace({ files });
  await fails(at.context, "hf:org/two", "usage", "hf:org/two/a.gguf, hf:org/two/b.gguf");
  await fails(at.context, "hf:org/two/c.gguf", "not_found", `no file "c.gguf"`);
  await fails(at.context, "hf:org/old", "unsupported", "neither config.json");
  await fails(at.context, "hf:org/none", "not_found", "hf:org/none");
  at.hub.options = { files, status: 401 };
  await fails(at.context, "hf:org/two", "denied", "HF_TOKEN");
  at.hub.options = { files, status: 503 };
  await fails(at.context, "hf:org/two", "unreachable", "503");
  const offline = { ...at.context, environment: { HF_ENDPOINT: "http://127.0.0.1:1" } };
  await fails(offline, "hf:org/two", "unreachable", "name their folder");
});

Deno.test("resolveModel stops a download when its signal aborts, and keeps what came", async () => {
  const bytes = tinyGgufBytes({ vocab: 20_000 });
  await using at = await openPlace({ files: { "org/t/t.gguf": bytes } });
  const stop = new AbortController();
  const onProgress = ({ bytes }: TransferProgress) => {
    if (bytes > 0) stop.abort(new NodeError("aborted", "Enough"));
  };
  const context = { ...at.context, onProgress };
  await assertRejects(() => resolveModel(context, "hf:org/t", stop.signal), NodeError, "Enough");
  assertEquals(await at.context.store.list(signal), []);
  await resolveModel(at.context, "hf:org/t", signal);
  assert(at.hub.asked.some((asked) => asked.includes("bytes=")));
});

Deno.test("the demo model is taken from the script's cache folder, by its size", async () => {
  await using at = await openPlace();
  const folder = `${at.path}/.cache/kwaainet/smollm2`;
  await Deno.mkdir(folder, { recursive: true });
  const path = `${folder}/${DEMO_MODEL.file.name}`;
  await Deno.writeFile(path, new Uint8Array(10));
  const error = await fails(at.context, "smollm2-135m", "unreachable", "demo_model.sh");
  assert(error.message.includes(path));
  await Deno.truncate(path, DEMO_MODEL.file.bytes);
  assertEquals((await resolveModel(at.context, "smollm2-135m", signal)).path, path);
  assertEquals((await resolveModel(at.context, "smollm2-135m", signal)).id, "smollm2-135m");
});

Deno.test("parseHubSource takes sources apart and refuses paths that lead elsewhere", () => {
  assertEquals(parseHubSource("smollm2-135m"), undefined);
  assertEquals(parseHubSource("hf:a/b"), { repository: "a/b", path: "" });
  assertEquals(parseHubSource("hf:a/b/c.gguf"), { repository: "a/b", path: "", file: "c.gguf" });
  assertEquals(parseHubSource("hf:a/b/q4/c.GGUF"), { repository: "a/b", path: "q4", file: "c.GGUF" });
  for (const text of ["hf:", "hf:a", "hf:a/../b", "hf:a/b/c", "hf:/a/b", "hf:a/b/../c.gguf", "hf:a/b?x=1"]) {
    assertEquals(assertThrows(() => parseHubSource(text), NodeError).code, "usage", text);
  }
});
