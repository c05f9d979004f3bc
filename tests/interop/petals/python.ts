/** Stock clients as processes: with a deadline, and once more when one hangs (wire quirks of petals 2.2.0.post1). */

/** The virtual environment with hivemind and petals; tests are skipped without it. */
export const VENV = Deno.env.get("KWAAI_PEERS_VENV");
/** Ends the name of a test that cannot run here. */
export const WHY = VENV === undefined ? " (skipped: KWAAI_PEERS_VENV names no Python with petals)" : "";

const here = (path: string) => new URL(path, import.meta.url).pathname;
const ENV = {
  PYTHONPATH: here("../peers/"),
  PYTHONWARNINGS: "ignore",
  HF_HUB_OFFLINE: "1",
  TRANSFORMERS_OFFLINE: "1",
  OMP_NUM_THREADS: "1",
};

/** What a script printed. */
export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a script of the folder of peers or of this folder. A stock client that hangs is ended and tried once more. */
export async function python(script: string, args: readonly string[], seconds = 180): Promise<Said> {
  const first = await once(script, args, seconds);
  return first ?? await once(script, args, seconds) ?? { code: 124, out: "", err: `${script} hung twice` };
}

async function once(script: string, args: readonly string[], seconds: number): Promise<Said | undefined> {
  // files, not pipes: a p2pd that outlives its client would hold a pipe open
  const folder = await Deno.makeTempDir();
  const child = new Deno.Command("setsid", {
    args: [
      "sh",
      "-c",
      'exec "$@" >"$OUT/out" 2>"$OUT/err"',
      "sh",
      `${VENV}/bin/python`,
      here(script),
      ...args,
    ],
    env: { ...ENV, OUT: folder },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    Deno.kill(-child.pid, "SIGKILL");
  }, seconds * 1000);
  const { code } = await child.status;
  clearTimeout(timer);
  const said = {
    code,
    out: await Deno.readTextFile(`${folder}/out`),
    err: (await Deno.readTextFile(`${folder}/err`)).slice(-3000),
  };
  await Deno.remove(folder, { recursive: true });
  return late ? undefined : said;
}

/** The last line of JSON that a script printed. */
// deno-lint-ignore no-explicit-any -- each script has fields of its own
export function lastJson(said: Said): any {
  const line = said.out.trim().split("\n").filter((text) => text.startsWith("{")).at(-1);
  if (line === undefined) throw new Error(`No JSON line: ${said.out.slice(-1000)}\n${said.err}`);
  return JSON.parse(line);
}
