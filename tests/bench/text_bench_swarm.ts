/** Scenes of `text_bench.ts` in which others compute. */
import { openDelayProxy } from "../support/delay_proxy.ts";
import {
  type ApiCall,
  askText,
  BARE_PROMPT,
  median,
  MODEL,
  NO_DRAFT,
  say,
  startNode,
  table,
} from "./text_bench_help.ts";

const ASKS = ["--model", MODEL, "--no-serve", "--set", "text.solo=never"];

/** A token through a server that answers at once: all that is left is the client's own. */
export async function shareScene(): Promise<void> {
  await using rooms = new AsyncDisposableStack();
  const hub = rooms.use(await startNode("--no-serve"));
  const server = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", new URL("instant_server.ts", import.meta.url).pathname],
      ...[hub.address, "instant", "30", "576"],
    ],
    stdout: "piped",
  }).spawn();
  rooms.defer(async () => {
    server.kill("SIGTERM");
    await server.status;
  });
  const reader = server.stdout.getReader();
  await reader.read(); // READY
  const asks = rooms.use(
    await startNode(...ASKS, "--initial-peers", hub.address, "--dht-prefix", "instant", ...NO_DRAFT),
  );
  const call: ApiCall = { api: asks.api, prompt: BARE_PROMPT, tokens: 64 };
  await askText(call);
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    times.push((await askText({ ...call, prompt: `${round} ${BARE_PROMPT}` })).tokenMs);
  }
  say(
    `\nthe client's own share, through a server that answers at once: ${median(times).toFixed(2)} ms a token`,
  );
  reader.releaseLock();
}

const SUMMARY = "Summarize the following text by repeating its most important sentences.\n\n" +
  "The old lighthouse on the northern cliff was built in 1871 after three ships were lost in one winter. " +
  "Its lamp burned whale oil until 1903, when the keeper installed a kerosene burner. In 1954 the lamp was " +
  "electrified and the last keeper left the island. Today the lighthouse is a museum that opens every summer.";
const EDIT = "```python\n" +
  "def add(first, second):\n    result = first + second\n    return result\n\n" +
  "def main():\n    first = 10\n    second = 20\n    print(add(first, second))\n\nmain()\n```\n\n" +
  "The same program with the function `add` renamed to `plus`:\n\n```python\n";

const STORY =
  "Once upon a time a gardener found a door behind the old wall. She had never seen it before, and";

/** The address of a server behind a line of 50 ms each way. */
async function openFarServer(rooms: AsyncDisposableStack): Promise<string> {
  const server = rooms.use(await startNode("--model", MODEL));
  const port = Number(server.address.match(/tcp\/(\d+)/)![1]);
  const proxy = rooms.use(openDelayProxy(port, 50));
  return server.address.replace(`tcp/${port}`, `tcp/${proxy.port}`);
}

/** Several texts of one request through a long line. */
export async function manyScene(rounds: number): Promise<void> {
  await using rooms = new AsyncDisposableStack();
  const far = await openFarServer(rooms);
  const { api } = rooms.use(await startNode(...ASKS, "--initial-peers", far, ...NO_DRAFT));
  const seconds = async (path: string, body: object) => {
    const startedAt = performance.now();
    const answer = await fetch(`${api}/v1/${path}`, { method: "POST", body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(await answer.text());
    await answer.json();
    return (performance.now() - startedAt) / 1000;
  };
  const rows = [["through 50 ms each way", "s for 1", "s for 4", "4 as multiples of 1"]];
  for (
    const [name, path, bodyOf] of [
      [
        "texts of 32 tokens",
        "completions",
        (prompt: string[]) => ({ prompt, max_tokens: 32, temperature: 0 }),
      ],
      ["embeddings", "embeddings", (input: string[]) => ({ input })],
    ] as const
  ) {
    const times: [number, number][] = [];
    for (let round = 0; round < rounds + 1; round++) {
      const texts = ["sea", "hill", "mill", "road"].map((word) => `${round}. Once by the ${word} there`);
      const one = await seconds(path, bodyOf(texts.slice(0, 1)));
      const four = await seconds(path, bodyOf(texts.map((text) => `${text} was`)));
      if (round > 0) times.push([one, four]); // the first one loads and connects
    }
    const [one, four] = [0, 1].map((at) => median(times.map((pair) => pair[at]!)));
    rows.push([name, one!.toFixed(2), four!.toFixed(2), median(times.map(([a, b]) => b / a)).toFixed(2)]);
  }
  say(`\nseveral texts of one request, ${rounds} rounds, medians`);
  table(rows);
}

/** Guesses ahead through a long line; where nothing repeats by the model itself, as if one as good and small were at hand. */
export async function draftScene(rounds: number): Promise<void> {
  await using rooms = new AsyncDisposableStack();
  const far = await openFarServer(rooms);
  const plain = rooms.use(await startNode(...ASKS, "--initial-peers", far, ...NO_DRAFT));
  const drafting = rooms.use(await startNode(...ASKS, "--initial-peers", far));
  const guided = rooms.use(
    await startNode(...ASKS, "--initial-peers", far, "--set", `text.draft_model=${MODEL}`),
  );
  await askText({ api: guided.api, prompt: BARE_PROMPT, tokens: 32 }); // loads its draft model
  say(`\nguessing ahead through 50 ms each way, 96 tokens, ${rounds} rounds, medians`);
  const rows = [["", "tokens a pass", "tok/s without", "tok/s with", "gain", "same text"]];
  for (
    const { name, prompt, chat, ahead: { api } } of [
      { name: "summary", prompt: SUMMARY, chat: true, ahead: drafting },
      { name: "code edit", prompt: EDIT, chat: false, ahead: drafting },
      { name: "code edit, asked in a chat", prompt: EDIT, chat: true, ahead: drafting },
      { name: "story, by what repeats", prompt: STORY, chat: false, ahead: drafting },
      { name: "story, by a draft model", prompt: STORY, chat: false, ahead: guided },
    ]
  ) {
    const gains: number[] = [];
    const speeds: [number, number][] = [];
    let perPass = 0;
    let isSame = true;
    for (let round = 0; round < rounds; round++) {
      const call = { prompt: `(${round}) ${prompt}`, tokens: 96, chat };
      const without = await askText({ ...call, api: plain.api });
      const ahead = await askText({ ...call, api });
      const speed = ({ tokens, totalMs, firstMs }: typeof without) => tokens / (totalMs - firstMs) * 1000;
      speeds.push([speed(without), speed(ahead)]);
      gains.push(speed(ahead) / speed(without));
      perPass += ahead.tokens / ahead.passes / rounds;
      isSame &&= without.text === ahead.text;
    }
    rows.push([
      name,
      perPass.toFixed(2),
      median(speeds.map(([slow]) => slow)).toFixed(2),
      median(speeds.map(([, fast]) => fast)).toFixed(2),
      median(gains).toFixed(2),
      isSame ? "yes" : "NO",
    ]);
  }
  table(rows);
}

/** The death of a server in the middle of an answer. */
export async function killedScene(rounds: number): Promise<void> {
  const gaps: number[] = [];
  const usual: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await using rooms = new AsyncDisposableStack();
    const first = rooms.use(await startNode("--model", MODEL, "--blocks", "0:15"));
    const peers = ["--initial-peers", first.address];
    const twins = await Promise.all(
      [1, 2].map(() => startNode("--model", MODEL, "--blocks", "15:30", ...peers)),
    );
    for (const twin of twins) rooms.use(twin);
    const asks = rooms.use(await startNode(...ASKS, ...peers));
    const call: ApiCall = { api: asks.api, prompt: BARE_PROMPT.slice(0, 200), tokens: 40 };
    const { hops } = await askText(call);
    const used = twins.find(({ address }) => address.endsWith(hops.at(-1)!.peer))!;
    const cut = await askText({
      ...call,
      onToken: (count) => count === 15 && used.program.child.kill("SIGKILL"),
    });
    gaps.push(cut.longestGapMs);
    usual.push(cut.tokenMs);
  }
  say(
    `\na server killed in the middle, ${rounds} rounds: longest pause ${Math.max(...gaps).toFixed(0)} ms, ` +
      `median ${median(gaps).toFixed(0)} ms; a usual token ${median(usual).toFixed(0)} ms`,
  );
}
