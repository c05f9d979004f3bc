/**
 * Text through this program, as ratios within one run: `text_bench.ts [ROUNDS] [SCENE…]`. Scenes: `solo` (one node, whole
 * model, over HTTP, beside the engine alone), `two` (two nodes with half the blocks each),
 * `third` (a third one that only asks, through both), `share` (the client's own share
 * of a token, through a server that answers at once), `draft` (guesses ahead: tokens a pass, and the gain through a line of
 * 50 ms each way), `killed` (what the death of a server costs), `fair` (50 streams at once).
 * Needs `KWAAI_SMOLLM2` and `native/`. One thread each.
 */
import {
  type ApiCall,
  askText,
  bare,
  BARE_PROMPT,
  median,
  say,
  startNode,
  table,
} from "./text_bench_help.ts";
import { draftScene, killedScene, shareScene } from "./text_bench_swarm.ts";

const [rounds = "5", ...wanted] = Deno.args;
const count = Number(rounds);
const scenes: Readonly<Record<string, () => Promise<void>>> = {
  solo: () => besideBare("one node, whole model, over HTTP", soloNode),
  two: () => besideBare("two nodes on loopback, 0:15 and 15:30, the first one asked", twoNodes),
  third: () => besideBare("a third node that only asks, through both", thirdNode),
  share: shareScene,
  draft: () => draftScene(count),
  killed: () => killedScene(count),
  fair: fairScene,
};
for (const [name, scene] of Object.entries(scenes)) {
  if (wanted.length === 0 || wanted.includes(name)) await scene();
}
Deno.exit(0);

async function soloNode(rooms: AsyncDisposableStack): Promise<string> {
  return rooms.use(await startNode("--model", Deno.env.get("KWAAI_SMOLLM2")!)).api;
}

/** Two nodes with half the blocks each; the address of the first. */
async function openHalves(rooms: AsyncDisposableStack) {
  const model = Deno.env.get("KWAAI_SMOLLM2")!;
  const first = rooms.use(await startNode("--model", model, "--blocks", "0:15"));
  rooms.use(await startNode("--model", model, "--blocks", "15:30", "--initial-peers", first.address));
  return { first, model };
}

async function twoNodes(rooms: AsyncDisposableStack): Promise<string> {
  return (await openHalves(rooms)).first.api;
}

async function thirdNode(rooms: AsyncDisposableStack): Promise<string> {
  const { first, model } = await openHalves(rooms);
  const asks = ["--no-serve", "--set", "text.solo=never", "--initial-peers", first.address];
  return rooms.use(await startNode("--model", model, ...asks)).api;
}

async function besideBare(what: string, open: (rooms: AsyncDisposableStack) => Promise<string>) {
  await using rooms = new AsyncDisposableStack();
  const api = await open(rooms);
  const call: ApiCall = { api, prompt: BARE_PROMPT, tokens: 48 };
  await askText(call);
  const rows: { bare: number; ours: number; bareFirst: number; oursFirst: number }[] = [];
  for (let round = 0; round < count; round++) {
    const alone = await bare(call.prompt, call.tokens);
    const ours = await askText({ ...call, prompt: `${round}. ${call.prompt}` });
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
      "ms to the first token (256)",
      median(rows.map(({ bareFirst }) => bareFirst)).toFixed(0),
      median(rows.map(({ oursFirst }) => oursFirst)).toFixed(0),
      first.toFixed(3),
    ],
  ]);
}

async function fairScene() {
  await using rooms = new AsyncDisposableStack();
  const api = await soloNode(rooms);
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
