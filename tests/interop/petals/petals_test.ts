/**
 * A Petals client that nobody here wrote, through our nodes: the same numbers as the local model and as a stock server.
 * Needs KWAAI_PEERS_VENV; the real model needs KWAAI_SMOLLM2 too. KWAAI_BINARY names the program under test.
 */
import { assert, assertEquals } from "@std/assert";
import { alone, ask, Program, type ProgramEvent, withFolder } from "../../e2e/program.ts";
import { makeTinyModel, startStock } from "../generate/stock.ts";
import { lastJson, python, VENV, WHY } from "./python.ts";

const ignore = VENV === undefined;
const smol = Deno.env.get("KWAAI_SMOLLM2");

/** A node of ours that serves, once it is ready. */
async function serve(
  dataDir: string,
  flags: readonly string[],
): Promise<{ program: Program; ready: ProgramEvent }> {
  const program = Program.start([...alone(dataDir), ...flags]);
  return { program, ready: await program.event("ready") };
}

Deno.test({
  name:
    `a stock client gets logits, greedy, beams, samples, sessions and deep prompts through our node${WHY}`,
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const model = `${folder}/model`;
      await makeTinyModel(model, "x", 1);
      await using stock = await startStock(`${folder}/stock`, { model, prefix: "tiny-stock", blocks: "0:4" });
      const ours = await serve(`${folder}/node`, [
        ...["--model", model, "--dht-prefix", "tiny-llama", "--dtype", "f32"],
        ...["--initial-peers", stock.bootstrap],
      ]);
      await using _ours = ours.program;
      const announced = await ours.program.event("announced");
      assert(announced.acceptedBy.length > 0, "a stock bootstrap stores our records");
      const said = await python("../peers/tiny_check.py", [
        model,
        stock.bootstrap,
        "tiny-llama",
        "tiny-stock",
      ]);
      assertEquals(lastJson(said).failed, 0, said.out + said.err);
      assertEquals(said.out.match(/^ok /gm)?.length, 17, said.out);
    }),
});

Deno.test({
  name: `a stock client generates through our node alone, which is the bootstrap too${WHY}`,
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const model = `${folder}/model`;
      await makeTinyModel(model, "x", 1);
      const ours = await serve(`${folder}/node`, [
        "--model",
        model,
        "--dht-prefix",
        "tiny-llama",
        "--dtype",
        "f32",
      ]);
      await using _ours = ours.program;
      const said = await python("../peers/petals_client.py", [model, ours.ready.addresses[0], "tiny-llama"]);
      assertEquals([said.code, lastJson(said).equal], [0, true], said.out + said.err);
    }),
});

for (const [stockBlocks, ourBlocks] of [["0:2", "2:4"], ["2:4", "0:2"]] as const) {
  Deno.test({
    name: `a stock client generates through a chain of stock ${stockBlocks} and ours ${ourBlocks}${WHY}`,
    ignore,
    fn: () =>
      withFolder(async (folder) => {
        const model = `${folder}/model`;
        await makeTinyModel(model, "x", 1);
        const prefix = "tiny-llama";
        await using stock = await startStock(`${folder}/stock`, { model, prefix, blocks: stockBlocks });
        const ours = await serve(`${folder}/node`, [
          ...["--model", model, "--dht-prefix", prefix, "--dtype", "f32", "--blocks", ourBlocks],
          ...["--initial-peers", stock.bootstrap],
        ]);
        await using _ours = ours.program;
        const said = await python("../peers/petals_client.py", [model, stock.bootstrap, prefix]);
        assertEquals([said.code, lastJson(said).equal], [0, true], said.out + said.err);
      }),
  });
}

Deno.test({
  name: `a stock client goes on with the other server after one of ours has left${WHY}`,
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const model = `${folder}/model`;
      await makeTinyModel(model, "x", 1);
      const flags = ["--model", model, "--dht-prefix", "tiny-llama", "--dtype", "f32"];
      const boot = await serve(`${folder}/boot`, ["--no-serve"]);
      await using _boot = boot.program;
      const bootstrap = boot.ready.addresses[0];
      const first = await serve(`${folder}/a`, [...flags, "--initial-peers", bootstrap]);
      await using _first = first.program;
      const second = await serve(`${folder}/b`, [...flags, "--initial-peers", bootstrap]);
      await using _second = second.program;
      const [flag, ready] = [`${folder}/flag`, `${folder}/ready`];
      const client = python("two_servers.py", [model, bootstrap, "tiny-llama", flag, ready]);
      while (await Deno.stat(ready).then(() => false, () => true)) {
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      assertEquals(await first.program.stop("SIGTERM"), 0);
      await Deno.writeTextFile(flag, "");
      const said = await client;
      const { before, after } = lastJson(said);
      assertEquals([before, after], [true, true], said.out + said.err);
    }),
});

Deno.test({
  name:
    `a stock client generates 32 tokens of SmolLM2 with F32 weights, equal to transformers, and so does our own client${WHY}`,
  ignore: ignore || smol === undefined,
  fn: () =>
    withFolder(async (folder) => {
      const [hf, f32] = [`${folder}/hf`, `${folder}/smollm2.gguf`];
      for (
        const [script, args] of [["../../../scripts/gguf2hf.py", [smol!, hf]], ["../requant.py", [
          smol!,
          f32,
          "F32",
        ]]] as const
      ) {
        const made = await python(script, args);
        assertEquals(made.code, 0, made.err);
      }
      const ours = await serve(`${folder}/node`, ["--model", f32, "--dht-prefix", "smol"]);
      await using _ours = ours.program;
      const bootstrap = ours.ready.addresses[0];
      for (const [prompt, fewest] of [["Once upon a time", 32], ["The capital of France is", 8]] as const) {
        const said = await python("../peers/smol_client.py", [hf, bootstrap, "smol", prompt, "32"]);
        const answer = lastJson(said);
        assertEquals(answer.equal_to_local, true, said.out + said.err);
        assert(answer.tokens >= fewest, said.out);
        const own = await ask([
          ...["generate", prompt, "--model", f32, "--dht-prefix", "smol", "--network", "private", "--json"],
          ...["--initial-peers", bootstrap, "--data-dir", `${folder}/client`, "--max-tokens", "32"],
        ]);
        assertEquals(JSON.parse(own.out).tokens, answer.out, own.err);
      }
    }),
});
