/** Answers of a running node: alone, through others, when the engine dies, and when whoever asked leaves. */
import { assert, assertEquals } from "@std/assert";
import { TINY, type TinyGgufOptions, writeTinyGguf } from "../support/tiny_model.ts";
import { TINY_VOCABULARY } from "../support/tiny_tokenizer.ts";
import { alone, ask, FLAVOUR, Program, withFolder } from "./program.ts";

const TOKENS = 60;

async function tinyModel(folder: string, options: TinyGgufOptions = {}): Promise<string> {
  const path = `${folder}/tiny.gguf`;
  await writeTinyGguf(path, { ...TINY, vocab: TINY_VOCABULARY, context: 1024, seed: 5, ...options });
  return path;
}

/** Parts of a completion as they come; `onPart` hears how many there were. */
async function complete(api: string, tokens = TOKENS, onPart: (count: number) => unknown = () => {}) {
  const answer = await fetch(`${api}/v1/completions`, {
    method: "POST",
    body: JSON.stringify({
      prompt: "and the all",
      max_tokens: tokens,
      temperature: 0,
      stream: true,
      seed: 1,
    }),
  });
  assertEquals(answer.status, 200);
  let text = "";
  let count = 0;
  let last = "";
  for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
    for (const [, data] of part.matchAll(/^data: (.*)$/gm)) {
      last = data!;
      if (data === "[DONE]") continue;
      const { choices, error } = JSON.parse(data!);
      if (error) throw new Error(error.message);
      text += choices[0]?.text ?? "";
      await onPart(++count);
    }
  }
  assertEquals(last, "[DONE]");
  return text;
}

/** The same, asked again while the engine is being started again. */
async function completeSoon(api: string): Promise<string> {
  for (let tries = 0; tries < 120; tries++) {
    const body = JSON.stringify({ prompt: "and the all", max_tokens: 1 });
    const answer = await fetch(`${api}/v1/completions`, { method: "POST", body });
    await answer.body?.cancel();
    if (answer.status !== 503) break;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return await complete(api);
}

for (const isGuided of [false, true]) {
  const what = isGuided ? ", guessed by a draft model," : "";
  Deno.test(`${FLAVOUR}: an answer${what} goes on when the engine of its node is killed, and says the same`, () =>
    withFolder(async (folder) => {
      const model = await tinyModel(folder);
      const guided = isGuided ? ["--set", `text.draft_model=${model}`] : [];
      await using node = Program.start([...alone(`${folder}/data`), "--model", model, ...guided]);
      const { api } = await node.event("ready");
      const calm = await complete(api);
      const engine = await node.engine();
      // at once: what is sent meanwhile waits in buffers, and all of so short an answer would find room there
      const shaken = await complete(api, TOKENS, (count) => count === 1 && Deno.kill(engine, "SIGKILL"));
      assertEquals(shaken, calm);
      assertEquals(await completeSoon(api), calm);
      assert(await node.engine() !== engine);
      assertEquals(await node.stop(), 0);
    }));
}

Deno.test(`${FLAVOUR}: a node that only asks answers alone, and through two others as one machine does`, () =>
  withFolder(async (folder) => {
    const model = await tinyModel(folder);
    const start = async (name: string, ...args: string[]) => {
      const program = Program.start([
        ...alone(`${folder}/${name}`),
        "--model",
        model,
        "--dtype",
        "f32",
        ...args,
      ]);
      return { program, ready: await program.event("ready") };
    };
    const solo = await start("solo", "--no-serve");
    await using _solo = solo.program;
    const first = await start("first", "--blocks", "0:2");
    await using _first = first.program;
    const peers = ["--initial-peers", first.ready["addresses"][0]];
    const second = await start("second", "--blocks", "2:4", ...peers);
    await using _second = second.program;
    const asks = await start("asks", "--no-serve", "--set", "text.solo=never", ...peers);
    await using _asks = asks.program;
    const alone_ = await complete(solo.ready["api"]);
    assertEquals(await complete(asks.ready["api"]), alone_);
    assertEquals(await complete(first.ready["api"]), alone_);

    const { out, code } = await ask(["blocks", "--data-dir", `${folder}/asks`, "--json"]);
    assertEquals(code, 0);
    const { models: [known] } = JSON.parse(out);
    assertEquals([known.coverage, known.missing, known.servers.length], [[1, 1, 1, 1], [], 2]);
    const peersKnown = JSON.parse((await ask(["peers", "--data-dir", `${folder}/asks`, "--json"])).out);
    assert(peersKnown.peers.some(({ connected }: { connected: boolean }) => connected));

    // half of the model leaves: the others say so, with when to ask again
    assertEquals(await second.program.stop(), 0);
    const refused = await fetch(`${asks.ready["api"]}/v1/completions`, {
      method: "POST",
      body: JSON.stringify({ prompt: "x y z", max_tokens: 4 }),
    });
    const { error } = await refused.json();
    assertEquals([refused.status, refused.headers.get("retry-after") !== null], [503, true], error.message);
  }));

for (const [family, headDim] of [["qwen2", 16], ["qwen3", 32]] as const) {
  Deno.test(`${FLAVOUR}: a ${family} says the same alone and through a chain of two, under a prefix of its own`, () =>
    withFolder(async (folder) => {
      const model = await tinyModel(folder, { family, headDim, ropeBase: 1e6 });
      const start = async (name: string, ...args: string[]) => {
        const more = ["--dtype", "f32", "--dht-prefix", "my-qwen", ...args];
        const program = Program.start([...alone(`${folder}/${name}`), "--model", model, ...more]);
        return { program, ready: await program.event("ready") };
      };
      const first = await start("first", "--blocks", "0:2");
      await using _first = first.program;
      const second = await start("second", "--blocks", "2:4", "--initial-peers", first.ready["addresses"][0]);
      await using _second = second.program;
      const solo = await start("solo");
      await using _solo = solo.program;
      const said = await complete(solo.ready["api"]);
      assert(said.length > 20, said);
      assertEquals(await complete(first.ready["api"]), said);
      assertEquals(await complete(second.ready["api"]), said);

      const { out } = await ask(["blocks", "--data-dir", `${folder}/first`, "--json"]);
      const { models: [known] } = JSON.parse(out);
      assertEquals([known.prefix, known.coverage], ["my-qwen", [1, 1, 1, 1]]);
    }));
}

Deno.test(`${FLAVOUR}: whoever leaves before there is an answer ends the computing, however the request came`, () =>
  withFolder(async (folder) => {
    const model = await tinyModel(folder);
    await using node = Program.start([...alone(`${folder}/data`), "--model", model]);
    const { api } = await node.event("ready");
    const { hostname, port } = new URL(api);
    const running = async () =>
      (await (await fetch(`${api}/api/v1/status`)).json()).answers.running as number;
    const until = async (wanted: number) => {
      for (let tries = 0; await running() !== wanted; tries++) {
        assert(tries < 200, `not ${wanted} answers`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    // with headers and body in one packet, and in two as most clients send it
    for (const isSplit of [false, true]) {
      const asked = {
        prompt: Array(100).fill("and"), // more than a minute's work
        max_tokens: 900,
        temperature: 1,
        seed: 1,
        logit_bias: { 2: -100 },
        n: 16,
      };
      const body = JSON.stringify({ ...asked, user: "x".repeat(isSplit ? 9000 : 0) });
      const head =
        `POST /v1/completions HTTP/1.1\r\nhost: ${hostname}\r\ncontent-length: ${body.length}\r\n\r\n`;
      const connection = await Deno.connect({ hostname, port: Number(port) });
      const write = async (text: string) => {
        const bytes = new TextEncoder().encode(text);
        for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
      };
      if (isSplit) {
        await write(head);
        await new Promise((resolve) => setTimeout(resolve, 50));
        await write(body);
      } else await write(head + body);
      await until(1);
      connection.close();
      await until(0);
    }
  }));

Deno.test(`${FLAVOUR}: whoever leaves ends the computing`, () =>
  withFolder(async (folder) => {
    const model = await tinyModel(folder);
    await using node = Program.start([...alone(`${folder}/data`), "--model", model]);
    const { api } = await node.event("ready");
    const leaves = new AbortController();
    const answer = await fetch(`${api}/v1/completions`, {
      method: "POST",
      body: JSON.stringify({
        prompt: "and",
        max_tokens: 900,
        temperature: 1,
        seed: 1,
        stream: true,
        logit_bias: { 2: -100 },
      }),
      signal: leaves.signal,
    });
    const reader = answer.body!.getReader();
    await reader.read();
    leaves.abort();
    await reader.read().catch(() => {});
    const running = async () =>
      (await (await fetch(`${api}/api/v1/status`)).json()).answers.running as number;
    for (let tries = 0; await running() > 0; tries++) {
      assert(tries < 100, "the answer still runs");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const steps = async () => (await (await fetch(`${api}/api/v1/status`)).json()).work.steps as number;
    const before = await steps();
    await new Promise((resolve) => setTimeout(resolve, 200));
    assertEquals(await steps(), before);
  }));
