/** Stock Petals servers and models for the tests of this folder. */

/** The virtual environment with hivemind and petals (tests/interop/peers/README.md). */
export const VENV = Deno.env.get("KWAAI_PEERS_VENV");
const here = (path: string) => new URL(path, import.meta.url).pathname;
const PEERS = here("../peers/");

/** Runs a command to its end; throws with its last words when it fails. */
async function run(path: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(path, {
    args: [...args],
    env: { PYTHONPATH: PEERS, PYTHONWARNINGS: "ignore", HF_HUB_OFFLINE: "1", TRANSFORMERS_OFFLINE: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`${path} ${args.join(" ")} failed: ${text(stderr).slice(-2000)}`);
  return text(stdout);
}

/** What the local model says. */
export interface Reference {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
  readonly text: string;
}

/** Makes the tiny model in `folder`; returns how transformers continues `prompt` with it, greedily. */
export async function makeTinyModel(folder: string, prompt: string, tokens: number): Promise<Reference> {
  const out = await run(`${VENV}/bin/python`, [here("tiny_model.py"), folder, prompt, String(tokens)]);
  return JSON.parse(out.trim().split("\n").at(-1)!);
}

/** A stock bootstrap and a stock server. Disposing stops both. */
export interface StockPeers extends AsyncDisposable {
  /** Multiaddr of the bootstrap. */
  readonly bootstrap: string;
  readonly serverId: string;
  /** Ends the server's processes at once; the bootstrap stays. */
  killServer(): Promise<void>;
}

/** What the stock server is to serve. */
export interface StockOptions {
  readonly model: string;
  readonly prefix: string;
  /** Such as `0:2`. */
  readonly blocks: string;
}

/** Starts a bootstrap and a server with their files in `folder`. */
export async function startStock(folder: string, options: StockOptions): Promise<StockPeers> {
  const { model, prefix, blocks } = options;
  const ports = [freePort(), freePort()] as const;
  const up = ["up.sh", VENV!, folder, "--model", model, "--prefix", prefix, "--blocks", blocks];
  await runScript([...up, "--boot-port", `${ports[0]}`, "--server-port", `${ports[1]}`]);
  const addressIn = async (file: string) => (await Deno.readTextFile(`${folder}/${file}.maddr`)).trim();
  return {
    bootstrap: await addressIn("boot"),
    serverId: (await addressIn("server")).split("/p2p/")[1]!,
    killServer: async () => Deno.kill(-Number(await Deno.readTextFile(`${folder}/server.pid`)), "SIGKILL"),
    [Symbol.asyncDispose]: async () => void await runScript(["down.sh", folder]),
  };
}

/** Its peers outlive the script and would hold a pipe open: output goes nowhere, they have log files of their own. */
async function runScript([name, ...args]: readonly string[]): Promise<void> {
  const command = new Deno.Command("bash", {
    args: [`${PEERS}${name}`, ...args],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  const { success } = await command.output();
  if (!success) throw new Error(`${name} failed; its logs lie in ${args.join(" ")}`);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A `generate` that can be held still while the swarm around it changes. */
export interface HeldGeneration {
  /** Its whole output, without the last line break. */
  go(): Promise<string>;
}

/** Starts `generate` and stops its process (SIGSTOP) at the first text it gives. */
export async function holdGeneration(args: readonly string[]): Promise<HeldGeneration> {
  const binary = Deno.env.get("KWAAI_BINARY");
  const source = ["run", "-A", "--no-check", here("../../../main.ts")];
  const command = new Deno.Command(binary ?? Deno.execPath(), {
    args: [...(binary === undefined ? source : []), "generate", ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  });
  const child = command.spawn();
  const reader = child.stdout.getReader();
  const chunks = [(await reader.read()).value ?? new Uint8Array(0)];
  child.kill("SIGSTOP");
  return {
    async go() {
      child.kill("SIGCONT");
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
        chunks.push(chunk.value);
      }
      const { code } = await child.status;
      if (code !== 0) throw new Error(`generate ended with code ${code}`);
      return new TextDecoder().decode(await new Blob(chunks).bytes()).replace(/\n$/, "");
    },
  };
}
