/** How much text is let in at once, and what a full house leaves open. */
import { assertEquals, assertMatch } from "@std/assert";
import { loadConfig } from "../../src/config/load.ts";
import { mostTextRequests, textLimits } from "../../src/node/open_text.ts";
import { Gate } from "../../src/text/gate.ts";
import type { TextModel } from "../../src/text/types.ts";
import { asker, statusDocument } from "../api/support.ts";
import { settle } from "../support/world.ts";
import { ToyModels } from "../text/toy_model.ts";

const configOf = (...sets: string[]) =>
  loadConfig({ flags: new Map(), sets, environment: {}, file: undefined, target: undefined }).config;

/** A toy that lets in as many as a node with these settings, and makes no word before it is told to. */
class GatedModels extends ToyModels {
  readonly ends = Promise.withResolvers<void>();
  readonly gate: Gate;

  constructor(...sets: string[]) {
    super();
    this.gate = new Gate(textLimits(configOf(...sets)).limits);
    this.pause = () => this.ends.promise;
  }

  override async open(id: string | undefined): Promise<TextModel> {
    const model = await super.open(id);
    const { gate } = this;
    return {
      ...model,
      async *answer(request, signal) {
        using _place = await gate.enter(signal);
        yield* model.answer(request, signal);
      },
    };
  }
}

Deno.test("as many answers as text.sessions and text.waiting say are let in, the next is told 429, and the owner still gets in", async () => {
  const text = new GatedModels();
  const ask = asker({ text, maxTextRequests: mostTextRequests(configOf()), status: () => statusDocument() });
  const json = { messages: [{ role: "user", content: "Hello" }] };
  const streamed = Array.from(
    { length: 64 },
    () => ask("/v1/chat/completions", { json: { ...json, stream: true } }),
  );
  const whole = Array.from({ length: 64 }, () => ask("/v1/chat/completions", { json }));
  while (text.gate.waiting < 64) await settle();
  assertEquals([text.gate.inside, text.gate.waiting], [64, 64]);
  for (const stream of [false, true]) {
    const beyond = await ask("/v1/chat/completions", { json: { ...json, stream } });
    assertEquals([beyond.status, beyond.headers.get("retry-after")], [429, "1"]);
    assertMatch((await beyond.json()).error.message, /64 requests are being answered and 64 wait/);
  }
  for (const path of ["/", "/map", "/v1/models", "/api/v1/status", "/api/tags"]) {
    const shown = await ask(path);
    assertEquals(shown.status, 200, path);
    await shown.body?.cancel();
  }
  text.ends.resolve();
  const answers = await Promise.all([...streamed, ...whole].map(async (reply) => {
    const { status, body } = await reply;
    await new Response(body).text();
    return status;
  }));
  assertEquals(answers, Array(128).fill(200));
});

Deno.test("mostTextRequests follows the settings of text, and is the owner's number where one is set", () => {
  assertEquals(mostTextRequests(configOf()), 192);
  assertEquals(mostTextRequests(configOf("text.sessions=1000", "text.waiting=0")), 1064);
  assertEquals(mostTextRequests(configOf("http.max_requests=5")), 5);
});
