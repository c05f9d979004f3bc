import { assert, assertEquals, assertMatch } from "@std/assert";
import { writeTinyGguf } from "../support/tiny_model.ts";
import { alone, ask, FLAVOUR, Program, withFolder } from "./program.ts";

const QUESTION = ["--json", "--max-tokens", "8", "hello there"];

Deno.test(`${FLAVOUR}: a node serves a model, others ask it, and it says OFFLINE when it stops`, () =>
  withFolder(async (folder) => {
    const model = `${folder}/tiny.gguf`;
    await writeTinyGguf(model);
    const data = `${folder}/data`;
    await using node = Program.start([...alone(data), "--model", model]);
    const loaded = await node.event("loaded");
    assertEquals([loaded.model, loaded.prefix, loaded.blocks], ["tiny", "tiny-hf", [0, 4]]);
    assert(loaded.weightBytes > 0 && loaded.loadMs >= 0);
    const ready = await node.event("ready");
    assertEquals(node.events.map(({ event }) => event), ["listening", "loaded", "announced", "ready"]);

    // through the running node, whose model is the default
    const first = await ask(["generate", "--data-dir", data, ...QUESTION]);
    assertEquals(first.code, 0, first.err);
    const answer = JSON.parse(first.out);
    assertEquals([answer.event, answer.newTokens, answer.tokens.length], ["generated", 8, 8]);
    assertEquals(answer.hops, [{ peerId: ready.peerId, blocks: [0, 4] }]);
    // through named peers, as text
    const second = await ask([
      "generate",
      ...["--initial-peers", ready.addresses[0], "--model", model, "--network", "private"],
      ...["--data-dir", `${folder}/nobody`, "--max-tokens", "8", "hello there"],
    ]);
    assertEquals([second.code, second.out], [0, `${answer.text}\n`]);

    const status = JSON.parse((await ask(["status", "--json", "--data-dir", data])).out);
    assertEquals(status.serving.engine, loaded.engine);
    assert(status.work.tokens >= 16, `${status.work.tokens}`);
    assertEquals(await node.stop(), 0);
  }));

Deno.test(`${FLAVOUR}: two nodes serve halves, and generate goes through both`, () =>
  withFolder(async (folder) => {
    const model = `${folder}/tiny.gguf`;
    await writeTinyGguf(model);
    await using whole = Program.start([...alone(`${folder}/whole`), "--model", model]);
    await whole.event("ready");
    const expected = JSON.parse((await ask(["generate", "--data-dir", `${folder}/whole`, ...QUESTION])).out);
    assertEquals(await whole.stop(), 0);

    await using front = Program.start([...alone(`${folder}/front`), "--model", model, "--blocks", "0:1"]);
    const { addresses, peerId } = await front.event("ready");
    const missing = await ask(["generate", "--data-dir", `${folder}/front`, ...QUESTION]);
    assertEquals(missing.code, 1);
    assertMatch(missing.err, /blocks 1:4 of tiny-hf/);

    await using back = Program.start([
      ...alone(`${folder}/back`),
      ...["--model", model, "--start-block", "1", "--end-block", "4", "--initial-peers", addresses[0]],
    ]);
    const announced = await back.event("announced");
    assertEquals([announced.blocks, announced.acceptedBy], [[1, 4], [peerId]]);
    const second = await back.event("ready");
    const through = await ask(["generate", "--data-dir", `${folder}/back`, ...QUESTION]);
    assertEquals(through.code, 0, through.err);
    const answer = JSON.parse(through.out);
    assertEquals(answer.tokens, expected.tokens);
    assertEquals(answer.hops, [{ peerId, blocks: [0, 1] }, { peerId: second.peerId, blocks: [1, 4] }]);

    assertEquals(await back.stop(), 0);
    const gone = await ask(["generate", "--data-dir", `${folder}/front`, ...QUESTION]);
    assertMatch(gone.err, /blocks 1:4 of tiny-hf/);
    assertEquals(await front.stop(), 0);
  }));

Deno.test(`${FLAVOUR}: a node that cannot serve what was asked for says why and ends`, () =>
  withFolder(async (folder) => {
    const model = `${folder}/tiny.gguf`;
    await writeTinyGguf(model);
    await using wide = Program.start([...alone(folder), "--model", model, "--blocks", "0:9"]);
    assertEquals(await wide.exit(), 2);
    assertMatch(wide.err, /kwaainet: Cannot serve blocks 0:9: tiny has 4 blocks, wanted a part of 0:4\n/);
    assertMatch((await wide.event("stopped")).reason, /^error: /);
    await using none = Program.start([...alone(folder), "--model", `${folder}/none.gguf`]);
    assertEquals(await none.exit(), 2);
    assertMatch(none.err, /kwaainet: Cannot find the model .*there is no file/);
  }));

Deno.test(`${FLAVOUR}: a node outlives its engine: it says so and serves again`, () =>
  withFolder(async (folder) => {
    const model = `${folder}/tiny.gguf`;
    await writeTinyGguf(model);
    const data = `${folder}/data`;
    await using node = Program.start([...alone(data), "--model", model]);
    await node.event("ready");
    Deno.kill(await node.engine(), "SIGKILL");
    const degraded = await node.event("degraded");
    assertEquals(degraded.what, "engine");
    assertMatch(degraded.why, /SIGKILL/);
    const isSecond = ({ at }: { at: number }) => at > degraded.at;
    await node.event("announced", isSecond);
    const answer = await ask(["generate", "--data-dir", data, ...QUESTION]);
    assertEquals(answer.code, 0, answer.err);
    assertEquals(await node.stop(), 0);
  }));
