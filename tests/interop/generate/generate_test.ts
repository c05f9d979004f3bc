/**
 * `kwaainet generate` through stock Petals servers, through our own, and through chains of both: the greedy tokens of
 * the local transformers model each time. Needs `KWAAI_PEERS_VENV`.
 */
import { assertEquals } from "@std/assert";
import { alone, ask, Program, withFolder } from "../../e2e/program.ts";
import { holdGeneration, makeTinyModel, type Reference, startStock, VENV } from "./stock.ts";

const PROMPT = "Hello there";
const TOKENS = 32;
const PREFIX = "tiny-llama";
const ignore = VENV === undefined;
const why = ignore ? " (skipped: KWAAI_PEERS_VENV names no Python with petals)" : "";

/** Asks for the text and compares it. Returns `peer a:b` for each hop. */
async function assertGenerates(
  { folder, model, bootstrap }: { folder: string; model: string; bootstrap: string },
  reference: Reference,
): Promise<readonly string[]> {
  const { code, out, err } = await ask([
    "generate",
    PROMPT,
    ...["--model", model, "--network", "private", "--dht-prefix", PREFIX, "--initial-peers", bootstrap],
    ...["--data-dir", `${folder}/client`, "--max-tokens", `${TOKENS}`, "--temperature", "0", "--json"],
  ]);
  assertEquals(code, 0, err);
  const said = JSON.parse(out.trim().split("\n").at(-1)!);
  assertEquals(said.event, "generated");
  assertEquals(said.tokens, reference.tokens);
  assertEquals([said.text, said.promptTokens, said.newTokens], [
    reference.text,
    reference.prompt.length,
    TOKENS,
  ]);
  return said.hops.map(({ peerId, blocks }: { peerId: string; blocks: [number, number] }) =>
    `${peerId} ${blocks[0]}:${blocks[1]}`
  );
}

/** Starts a node of ours that serves some blocks. */
async function serve(
  folder: string,
  { model, blocks, bootstrap }: { model: string; blocks: string; bootstrap?: string },
): Promise<{ program: Program; peerId: string; address: string }> {
  const program = Program.start([
    ...alone(`${folder}/server`),
    ...["--model", model, "--blocks", blocks, "--dht-prefix", PREFIX, "--dtype", "f32"],
    ...(bootstrap === undefined ? [] : ["--initial-peers", bootstrap]),
  ]);
  const { peerId, addresses } = await program.event("ready");
  return { program, peerId, address: addresses[0] };
}

Deno.test({
  name: `generate through a stock server equals transformers${why}`,
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const model = `${folder}/model`;
      const reference = await makeTinyModel(model, PROMPT, TOKENS);
      await using stock = await startStock(`${folder}/stock`, { model, prefix: PREFIX, blocks: "0:4" });
      const hops = await assertGenerates({ folder, model, bootstrap: stock.bootstrap }, reference);
      assertEquals(hops, [`${stock.serverId} 0:4`]);
    }),
});

Deno.test({
  name: `generate through our own servers equals transformers${why}`,
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const model = `${folder}/model`;
      const reference = await makeTinyModel(model, PROMPT, TOKENS);
      const first = await serve(`${folder}/a`, { model, blocks: "0:1" });
      await using _first = first.program;
      const bootstrap = first.address;
      const second = await serve(`${folder}/b`, { model, blocks: "1:4", bootstrap });
      await using _second = second.program;
      const hops = await assertGenerates({ folder, model, bootstrap }, reference);
      assertEquals(hops, [`${first.peerId} 0:1`, `${second.peerId} 1:4`]);
    }),
});

for (const [stockBlocks, ourBlocks] of [["0:2", "2:4"], ["2:4", "0:2"]] as const) {
  Deno.test({
    name: `generate through a chain of stock ${stockBlocks} and ours ${ourBlocks} equals transformers${why}`,
    ignore,
    fn: () =>
      withFolder(async (folder) => {
        const model = `${folder}/model`;
        const reference = await makeTinyModel(model, PROMPT, TOKENS);
        await using stock = await startStock(`${folder}/stock`, {
          model,
          prefix: PREFIX,
          blocks: stockBlocks,
        });
        const { bootstrap, serverId } = stock;
        const ours = await serve(folder, { model, blocks: ourBlocks, bootstrap });
        await using _ours = ours.program;
        const hops = await assertGenerates({ folder, model, bootstrap }, reference);
        const wanted = [`${serverId} ${stockBlocks}`, `${ours.peerId} ${ourBlocks}`];
        assertEquals(hops, stockBlocks === "0:2" ? wanted : wanted.reverse());
      }),
  });
}

Deno.test({
  name: `generate goes on through a server that came later when the stock server is killed${why}`,
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      const model = `${folder}/model`;
      const { text } = await makeTinyModel(model, PROMPT, 400);
      await using stock = await startStock(`${folder}/stock`, { model, prefix: PREFIX, blocks: "2:4" });
      const { bootstrap } = stock;
      const first = await serve(`${folder}/a`, { model, blocks: "0:2", bootstrap });
      await using _first = first.program;
      const held = await holdGeneration([
        PROMPT,
        ...["--model", model, "--network", "private", "--dht-prefix", PREFIX, "--initial-peers", bootstrap],
        ...["--data-dir", `${folder}/client`, "--max-tokens", "400"],
      ]);
      const other = await serve(`${folder}/b`, { model, blocks: "2:4", bootstrap });
      await using _other = other.program;
      await stock.killServer();
      assertEquals(await held.go(), text);
    }),
});
