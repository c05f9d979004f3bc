/**
 * Text through this program, as ratios within one run: `text_bench.ts [ROUNDS] [SCENE…]`. Scenes: `solo` (one node, whole
 * model, over HTTP, beside the engine alone), `sampled` (the same with other settings than greedy), `two` (two nodes with half the blocks each), `third` (a third one that only
 * asks, through both), `large` (one and two nodes with random weights of TinyLlama's sizes, 1.1e9 of them: the blocks
 * cost more than the ways; needs 8 GB of memory), `share` (the client's own share of a token, through a server that
 * answers at once), `many` (four texts of one request through a line of 50 ms each way), `draft` (guesses ahead: tokens a
 * pass, and the gain through the same line), `killed` (what the death of a server costs), `fair` (50 streams at once).
 * Needs `KWAAI_SMOLLM2` and `native/`. One thread each.
 */
import { writeTinyGguf } from "../support/tiny_model.ts";
import {
  type ApiCall,
  askText,
  bare,
  BARE_PROMPT,
  median,
  MODEL,
  NO_DRAFT,
  say,
  startNode,
  table,
} from "./text_bench_help.ts";
import { draftScene, killedScene, manyScene, shareScene } from "./text_bench_swarm.ts";

/** What is asked beside the engine alone. */
interface Comparison {
  readonly what: string;
  readonly model: string;
  readonly prompt: string;
  /** Opens the nodes; the address of the one that is asked. */
  readonly open: (rooms: AsyncDisposableStack) => Promise<string>;
}

const [rounds = "5", ...wanted] = Deno.args;
const count = Number(rounds);
const usual = { model: MODEL, prompt: BARE_PROMPT };
const scenes: Readonly<Record<string, () => Promise<void>>> = {
  solo: () =>
    besideBare({
      ...usual,
      what: "one node, whole model, over HTTP",
      open: (rooms) => soloNode(rooms, MODEL),
    }),
  sampled: sampledScene,
  two: () =>
    besideBare({
      ...usual,
      what: "two nodes on loopback, 0:15 and 15:30, the first one asked",
      open: async (rooms) => (await openHalves(rooms, MODEL, 30)).api,
    }),
  third: () => besideBare({ ...usual, what: "a third node that only asks, through both", open: thirdNode }),
  large: largeScene,
  share: shareScene,
  many: () => manyScene(count),
  draft: () => draftScene(count),
  killed: () => killedScene(count),
  fair: fairScene,
};
for (const [name, scene] of Object.entries(scenes)) {
  if (wanted.length === 0 || wanted.includes(name)) await scene();
}
Deno.exit(0);

async function soloNode(rooms: AsyncDisposableStack, model: string): Promise<string> {
  return rooms.use(await startNode("--model", model, ...NO_DRAFT)).api;
}

/** Two nodes with half the blocks each; the first of them. */
async function openHalves(rooms: AsyncDisposableStack, model: string, blocks: number) {
  const half = blocks / 2;
  const first = rooms.use(await startNode("--model", model, "--blocks", `0:${half}`, ...NO_DRAFT));
  const peers = ["--initial-peers", first.address];
  rooms.use(await startNode("--model", model, "--blocks", `${half}:${blocks}`, ...peers));
  return first;
}

async function thirdNode(rooms: AsyncDisposableStack): Promise<string> {
  const first = await openHalves(rooms, MODEL, 30);
  const asks = ["--no-serve", "--set", "text.solo=never", "--initial-peers", first.address, ...NO_DRAFT];
  return rooms.use(await startNode("--model", MODEL, ...asks)).api;
}

/** Sizes of TinyLlama 1.1B (Zhang et al., 2024). Its values do not matter to the time that they take. */
async function largeScene() {
  const model = await Deno.makeTempFile({ suffix: ".gguf" });
  try {
    say("\nwriting random weights of TinyLlama's sizes: some minutes");
    const sizes = { hidden: 2048, ffn: 5632, heads: 32, kvHeads: 4, blocks: 22, vocab: 32000, context: 2048 };
    await writeTinyGguf(model, { ...sizes, format: "Q4_1" });
    const large = { model, prompt: "The capital of France is the city that" };
    const open = (rooms: AsyncDisposableStack) => soloNode(rooms, model);
    await besideBare({ ...large, what: "1.1e9 weights, one node, over HTTP", open });
    await besideBare({
      ...large,
      what: "1.1e9 weights, two nodes on loopback, 0:11 and 11:22, the first one asked",
      open: async (rooms) => (await openHalves(rooms, model, 22)).api,
    });
  } finally {
    await Deno.remove(model);
  }
}

async function besideBare({ what, model, prompt, open }: Comparison) {
  await using rooms = new AsyncDisposableStack();
  const call: ApiCall = { api: await open(rooms), prompt, tokens: 48 };
  await askText(call);
  const rows: { bare: number; ours: number; bareFirst: number; oursFirst: number }[] = [];
  for (let round = 0; round < count; round++) {
    const asked = `${round}. ${prompt}`; // nothing of it is kept from the round before
    const alone = await bare(model, asked, call.tokens);
    const ours = await askText({ ...call, prompt: asked });
    rows.push({
      bare: alone.tokenMs,
      ours: ours.tokenMs,
      bareFirst: alone.firstMs,
      oursFirst: ours.firstMs,
    });
  }
  const ratio = median(rows.map(({ bare, ours }) => bare / ours));
  const first = median(rows.map(({ bareFirst, oursFirst }) => bareFirst / oursFirst));
  say(`\n${what}, ${count} rounds of ${call.tokens} tokens, medians`);
  table([
    ["", "engine alone", "ours", "ratio"],
    [
      "ms a token",
      median(rows.map(({ bare }) => bare)).toFixed(2),
      median(rows.map(({ ours }) => ours)).toFixed(2),
      ratio.toFixed(3),
    ],
    [
      "ms to the first token",
      median(rows.map(({ bareFirst }) => bareFirst)).toFixed(0),
      median(rows.map(({ oursFirst }) => oursFirst)).toFixed(0),
      first.toFixed(3),
    ],
  ]);
}

/** What settings of sampling cost a token. */
async function sampledScene() {
  await using rooms = new AsyncDisposableStack();
  const api = await soloNode(rooms, MODEL);
  const settings: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
    "greedy": {},
    "temperature 1": { temperature: 1 },
    "temperature 0.8, top_p 0.95": { temperature: 0.8, top_p: 0.95 },
    "temperature 0.8, top_k 40": { temperature: 0.8, top_k: 40 },
    "temperature 0.8, presence_penalty 0.5": { temperature: 0.8, presence_penalty: 0.5 },
    "greedy, 5 logprobs": { logprobs: 5 },
  };
  const times = new Map<string, number[]>();
  const add = (name: string, ms: number) => times.set(name, [...times.get(name) ?? [], ms]);
  for (let round = 0; round < count; round++) {
    add("engine alone, greedy", (await bare(MODEL, BARE_PROMPT, 48)).tokenMs);
    for (const [name, more] of Object.entries(settings)) {
      const prompt = `${round}. ${BARE_PROMPT}`;
      add(name, (await askText({ api, prompt, tokens: 48, more: { ...more, seed: round } })).tokenMs);
    }
  }
  say(`\nsettings of sampling, one node, whole model, ${count} rounds of 48 tokens, medians`);
  table([["", "ms a token"], ...[...times].map(([name, all]) => [name, median(all).toFixed(2)])]);
}

async function fairScene() {
  await using rooms = new AsyncDisposableStack();
  const api = await soloNode(rooms, MODEL);
  const streams = await Promise.all(
    Array.from({ length: 50 }, (_, i) => askText({ api, prompt: `Story ${i}: once`, tokens: 24 })),
  );
  const totals = streams.map(({ totalMs }) => totalMs).sort((a, b) => a - b);
  const gaps = streams.map(({ longestGapMs }) => longestGapMs).sort((a, b) => a - b);
  say("\n50 streams at once, 24 tokens each");
  table([
    ["", "least", "median", "most"],
    ["s to the end", ...[0, 25, 49].map((at) => (totals[at]! / 1000).toFixed(2))],
    ["longest s between tokens", ...[0, 25, 49].map((at) => (gaps[at]! / 1000).toFixed(2))],
  ]);
}
