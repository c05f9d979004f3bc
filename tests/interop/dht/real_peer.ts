/** Real hivemind peers as processes of their own. They live in a Python environment that KWAAI_PEERS_VENV names. */
import { TextLineStream } from "./text_lines.ts";

const venv = Deno.env.get("KWAAI_PEERS_VENV");

/** A test with real peers; skipped, and named so, where there are none. */
export function peersTest(name: string, fn: () => Promise<void>): void {
  const reason = venv === undefined
    ? " (skipped: KWAAI_PEERS_VENV names no Python with hivemind 1.1.12)"
    : "";
  Deno.test({
    name: name + reason,
    ignore: venv === undefined,
    sanitizeResources: false, // libp2p keeps sockets for a moment after it stopped
    sanitizeOps: false,
    fn,
  });
}

/** Longest wait for one answer of a peer: starting Python and torch takes most of it. */
const PATIENCE_MS = 60_000;

/** A process in a group of its own, so that what it forks ends with it. */
class ProcessGroup implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;

  constructor(program: string, args: readonly string[], read: "stdout" | "stderr") {
    this.#child = new Deno.Command("setsid", {
      args: [`${venv}/bin/${program}`, ...args],
      stdin: "piped",
      stdout: read === "stdout" ? "piped" : "null",
      stderr: read === "stderr" ? "piped" : "null",
      env: { HIVEMIND_COLORS: "false" },
    }).spawn();
    this.#lines = this.#child[read].pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
      .getReader();
    this.#stdin = this.#child.stdin.getWriter();
  }

  write(line: string): Promise<void> {
    return this.#stdin.write(new TextEncoder().encode(`${line}\n`));
  }

  /** The next line that `wanted` accepts. */
  async line(wanted: (line: string) => boolean): Promise<string> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`The peer said nothing for ${PATIENCE_MS} ms`)), PATIENCE_MS);
    });
    try {
      while (true) {
        const { value, done } = await Promise.race([this.#lines.read(), late]);
        if (done) throw new Error("The peer ended");
        if (wanted(value)) return value;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Deno.Command("kill", { args: ["-KILL", "--", `-${this.#child.pid}`], stderr: "null" }).output();
    await this.#child.status;
    await this.#lines.cancel();
    await this.#stdin.abort().catch(() => {});
  }
}

/** The `hivemind-dht` command as operators start it. */
export interface Bootstrap extends AsyncDisposable {
  readonly address: string;
  readonly peer: string;
}

/** Starts `hivemind-dht` on loopback, joining through `initialPeers`. */
export async function startBootstrap(initialPeers: readonly string[] = []): Promise<Bootstrap> {
  const boots = initialPeers.length > 0 ? ["--initial_peers", ...initialPeers] : [];
  const group = new ProcessGroup("hivemind-dht", [
    "--host_maddrs",
    "/ip4/127.0.0.1/tcp/0",
    "--no_relay",
    ...boots,
  ], "stderr");
  try {
    const line = await group.line((line) => line.includes("/ip4/127.0.0.1/tcp/"));
    const address = line.match(/\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/\w+/)![0];
    return {
      address,
      peer: address.split("/").at(-1)!,
      [Symbol.asyncDispose]: () => group[Symbol.asyncDispose](),
    };
  } catch (error) {
    await group[Symbol.asyncDispose]();
    throw error;
  }
}

/** A `DHTNode` (peer.py), or what another script opens, that does what it is told. */
export class RealPeer implements AsyncDisposable {
  readonly #group: ProcessGroup;
  peer = "";
  address = "";

  private constructor(script: URL) {
    this.#group = new ProcessGroup("python", [script.pathname], "stdout");
  }

  /** Starts a peer that joins through `boots`; `more` goes to the script's `create`. */
  static async start(
    boots: readonly string[],
    more: Readonly<Record<string, unknown>> = {},
    script: URL = new URL("./peer.py", import.meta.url),
  ): Promise<RealPeer> {
    const peer = new RealPeer(script);
    try {
      const { peer: id, maddrs } = await peer.do("create", { boots, ...more }) as {
        peer: string;
        maddrs: string[];
      };
      peer.peer = id;
      peer.address = maddrs.find((address) => address.includes("127.0.0.1"))!;
      return peer;
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a command of peer.py. Throws with Python's words when it failed. */
  async do(command: string, args: object = {}): Promise<unknown> {
    await this.#group.write(JSON.stringify({ do: command, ...args }));
    const line = await this.#group.line((line) => line.startsWith("{"));
    const answer = JSON.parse(line.replaceAll("Infinity", "null")) as { ok?: unknown; error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.ok;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#group[Symbol.asyncDispose]();
  }
}
