/**
 * One stock Petals client, SmolLM2-135M, one thread everywhere: tokens a second through the stock server, ours with F32
 * and with Q8_0 weights, and an instant server (the limit). Rounds are interleaved; ratios to the stock server are what
 * counts. `deno task bench [TOKENS] [ROUNDS]`. Needs KWAAI_PEERS_VENV and KWAAI_SMOLLM2; KWAAI_BINARY names a binary to
 * measure instead of the source.
 */
import { fileURLToPath } from "node:url";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const need = (name: string): string => {
  const value = Deno.env.get(name);
  if (value === undefined) {
    throw new Error(`Set ${name}: \`sh scripts/setup.sh test\` tells where things lie`);
  }
  return value;
};
const venv = need("KWAAI_PEERS_VENV");
const smol = need("KWAAI_SMOLLM2");
const binary = Deno.env.get("KWAAI_BINARY");
const threads = Deno.env.get("KWAAI_BENCH_THREADS") ?? "1";
const tokens = Deno.args[0] ?? "32";
const rounds = Deno.args[1] ?? "5";
const cache = `${Deno.env.get("KWAAI_CACHE") ?? `${Deno.env.get("HOME")}/.cache/kwaainet`}/bench`;
const peers = here("../interop/peers/");
const say = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));

async function run(command: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { success, stdout } = await new Deno.Command(command[0]!, {
    args: command.slice(1),
    env: {
      HF_HUB_OFFLINE: "1",
      TRANSFORMERS_OFFLINE: "1",
      PYTHONPATH: peers,
      PYTHONWARNINGS: "ignore",
      ...env,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${command.slice(0, 3).join(" ")} … failed`);
  return new TextDecoder().decode(stdout);
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

/** The models, made once. */
async function models(): Promise<{ hf: string; f32: string; q8: string }> {
  await Deno.mkdir(cache, { recursive: true });
  const python = `${venv}/bin/python`;
  const hf = `${cache}/smollm2-hf`;
  if (!await exists(`${hf}/config.json`)) await run([python, here("../../scripts/gguf2hf.py"), smol, hf]);
  const weights: Record<string, string> = {};
  for (const type of ["F32", "Q8_0"]) {
    const path = `${cache}/smollm2.${type}.gguf`;
    if (!await exists(path)) await run([python, here("../interop/requant.py"), smol, path, type]);
    weights[type] = path;
  }
  return { hf, f32: weights.F32!, q8: weights.Q8_0! };
}

/** A server in a process group of its own. */
class Server implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  constructor(command: readonly string[]) {
    this.#child = new Deno.Command("setsid", {
      args: [...command],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
  }
  get group(): number {
    return this.#child.pid;
  }
  /** Waits for a line that has `text` in it; later output is thrown away. */
  async until(text: string): Promise<void> {
    let seen = "";
    const reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    while (!seen.includes(text)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`A server ended before it said ${text}: ${seen}`);
      seen += value;
    }
    (async () => {
      while (!(await reader.read()).done);
    })();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      Deno.kill(-this.group, "SIGTERM");
    } catch {
      // it has ended by itself
    }
    await this.#child.status;
  }
}

const program = binary === undefined
  ? [Deno.execPath(), "run", "-A", "--no-check", here("../../main.ts")]
  : [binary];

async function ours(model: string, prefix: string, bootstrap: string): Promise<Server> {
  const folder = await Deno.makeTempDir();
  const server = new Server([
    ...program,
    "start",
    ...[
      "--network",
      "private",
      "--initial-peers",
      bootstrap,
      "--model",
      model,
      "--dht-prefix",
      prefix,
      "--json",
    ],
    ...["--listen", "/ip4/127.0.0.1/tcp/0", "--api", "127.0.0.1:0", "--data-dir", folder],
    ...["--set", `compute.threads=${threads}`],
  ]);
  await server.until('"ready"');
  return server;
}

if (import.meta.main) {
  const { hf, f32, q8 } = await models();
  const work = await Deno.makeTempDir();
  await using all = new AsyncDisposableStack();
  const port = () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    return String(listener.addr.port);
  };
  say("Starting the stock server");
  all.defer(async () => void await run(["bash", `${peers}down.sh`, work]));
  await new Deno.Command("bash", {
    args: [
      `${peers}up.sh`,
      venv,
      work,
      "--model",
      hf,
      "--blocks",
      "0:30",
      "--prefix",
      "stock",
      "--boot-port",
      port(),
      "--server-port",
      port(),
    ],
    env: { OMP_NUM_THREADS: threads, MKL_NUM_THREADS: threads },
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).output();
  const bootstrap = (await Deno.readTextFile(`${work}/boot.maddr`)).trim();
  const stock = (await Deno.readTextFile(`${work}/server.pid`)).trim();
  say("Starting ours and the instant one");
  const f32Server = all.use(await ours(f32, "ours-f32", bootstrap));
  const q8Server = all.use(await ours(q8, "ours-q8", bootstrap));
  const instant = all.use(
    new Server([
      Deno.execPath(),
      "run",
      "-A",
      "--no-check",
      here("instant_server.ts"),
      bootstrap,
      "instant",
      "30",
      "576",
    ]),
  );
  await instant.until("READY");
  say(`Measuring: ${rounds} rounds of ${tokens} tokens each`);
  const out = await run([
    `${venv}/bin/python`,
    `${peers}bench_client.py`,
    ...[hf, bootstrap, tokens, rounds, `stock=${stock}`, `ours-f32=${f32Server.group}`],
    ...[`ours-q8=${q8Server.group}`, `instant=${instant.group}`],
  ], { OMP_NUM_THREADS: "1" });
  const rows = out.trim().split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  const base = rows.find((row) => row.prefix === "stock")!.tok_s;
  const table = rows.map((row) =>
    `| ${row.prefix} | ${row.tok_s} (${row.min_max.join("–")}) | ${
      (row.tok_s / base).toFixed(2)
    } | ${row.ms_a_token} | ${row.server_cpu_s_per_100} | ${row.processes}, ${row.pss_mb} |`
  );
  const instantMs = rows.find((row) => row.prefix === "instant")!.ms_a_token;
  const libraries = here(`../../native/${Deno.build.arch}-unknown-linux-gnu`);
  const shares: string[] = [];
  for (const [prefix, model] of [["ours-f32", f32], ["ours-q8", q8]] as const) {
    const bare = Number(
      await run([
        Deno.execPath(),
        "run",
        "-A",
        "--no-check",
        here("bare_engine.ts"),
        model,
        libraries,
        tokens,
      ]),
    );
    const mine = rows.find((row) => row.prefix === prefix)!.ms_a_token;
    const allowed = instantMs + 1.15 * bare;
    shares.push(
      `${prefix}: ${mine} ms a token; instant ${instantMs} + 1.15 × bare engine ${bare} = ${
        allowed.toFixed(1)
      } ms`,
    );
  }
  const runtime = binary === undefined
    ? `source on Deno ${Deno.version.deno}`
    : (await run([binary, "version"])).trim();
  await Deno.stdout.write(new TextEncoder().encode(
    `${runtime}; ${threads} thread(s), ${rounds} rounds of ${tokens} tokens\n\n` +
      "| server | tokens/s (min–max) | ratio | ms a token | server CPU s per 100 tokens | processes, PSS MB |\n|---|---|---|---|---|---|\n" +
      table.join("\n") + `\n\n${shares.join("\n")}\n`,
  ));
  await all.disposeAsync();
  Deno.exit(0);
}
