/** What the scenes of `text_bench.ts` share. */
import { Program } from "../e2e/program.ts";

/** The paragraph that prompts are made of: some 256 tokens. */
export const BARE_PROMPT = Array.from(
  { length: 13 },
  (_, i) =>
    `Note ${i * 37 % 101}: the ${["river", "engine", "garden", "letter"][i % 4]} was found ${
      i + 3
    } days later by a ` +
    `${["sailor", "teacher", "gardener"][i % 3]} near the old bridge.`,
).join(" ");

/** A program that is ready. */
export interface BenchNode extends AsyncDisposable {
  readonly api: string;
  readonly address: string;
  readonly program: Program;
}

/** Starts a node on a private network with one thread. */
export async function startNode(...args: string[]): Promise<BenchNode> {
  const folder = await Deno.makeTempDir();
  const program = Program.start([
    ...["--network", "private", "--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0"],
    ...["--data-dir", folder, "--set", "compute.threads=1"],
    ...args,
  ]);
  const { api, addresses } = await program.event("ready");
  return {
    api,
    address: addresses[0],
    program,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** One text over HTTP. */
export interface ApiCall {
  readonly api: string;
  readonly prompt: string;
  readonly tokens: number;
  readonly chat?: boolean;
  /** Further fields of the request; greedy without them. */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly onToken?: (count: number) => void;
}

/** What it took, by the caller's clock. */
export interface Timed {
  readonly firstMs: number;
  /** Median of the times between tokens. */
  readonly tokenMs: number;
  readonly longestGapMs: number;
  readonly totalMs: number;
  readonly text: string;
  /** Tokens, and passes over all blocks that made them. */
  readonly tokens: number;
  readonly passes: number;
  readonly hops: readonly { readonly peer: string }[];
}

/** Streams a completion; of a chat where `chat` says so. `onToken` hears of each part. */
export async function askText(
  { api, prompt, tokens, chat, more, onToken }: ApiCall,
): Promise<Timed> {
  const startedAt = performance.now();
  const answer = await fetch(`${api}/v1/${chat ? "chat/" : ""}completions`, {
    method: "POST",
    body: JSON.stringify({
      ...(chat ? { messages: [{ role: "user", content: prompt }] } : { prompt }),
      max_tokens: tokens,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
      ...more,
    }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  const times: number[] = [];
  let text = "";
  let held = "";
  let end: Pick<Timed, "tokens" | "passes" | "hops"> = { tokens: 0, passes: 0, hops: [] };
  for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
    held += part;
    const events = held.split("\n\n");
    held = events.pop()!;
    for (const event of events) {
      if (!event.startsWith("data: {")) continue;
      const { choices: [choice], usage, kwaai } = JSON.parse(event.slice(6));
      if (usage) end = { tokens: usage.completion_tokens, passes: kwaai.passes, hops: kwaai.hops };
      const added = choice?.text ?? choice?.delta?.content;
      if (!added) continue;
      text += added;
      times.push(performance.now());
      onToken?.(times.length);
    }
  }
  const gaps = times.slice(1).map((at, i) => at - times[i]!);
  return {
    firstMs: times[0]! - startedAt,
    tokenMs: median(gaps),
    longestGapMs: Math.max(...gaps),
    totalMs: performance.now() - startedAt,
    text,
    ...end,
  };
}

/** The model of all scenes but `large`. */
export const MODEL: string = Deno.env.get("KWAAI_SMOLLM2")!;

/** A pass for each token: what is compared with the engine alone. */
export const NO_DRAFT: readonly string[] = ["--set", "text.draft_tokens=0"];

/** The engine alone, in a process of its own. */
export async function bare(
  model: string,
  prompt: string,
  tokens: number,
): Promise<{ firstMs: number; tokenMs: number }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", new URL("bare_text.ts", import.meta.url).pathname],
      model,
      new URL("../../native/x86_64-unknown-linux-gnu", import.meta.url).pathname,
      ...["1", prompt, `${tokens}`],
    ],
  }).output();
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** The middle of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** One line. */
export const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));

/** Rows in columns. */
export function table(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) say(row.map((cell, column) => cell.padEnd(widths[column]!)).join("   "));
}
