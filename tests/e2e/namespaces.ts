/** Machines of their own in the kernel: network namespaces, joined by a cable. */
import { HERE, type Launch } from "./program.ts";

/** Runs a command of the system to its end; what it wrote where it failed. */
export async function system(words: readonly [string, ...string[]], input = ""): Promise<void> {
  const [path, ...args] = words;
  const child = new Deno.Command(path, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stderr } = await child.output();
  if (!success) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}

/** Why commands that change the machine cannot be run here; `undefined` where they can. */
export async function whyNot(
  ...tries: readonly (readonly [string, ...string[]])[]
): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return "this is no Linux";
  if (Deno.uid() !== 0) return "this is not root";
  for (const words of tries) {
    try {
      await system(words);
    } catch (error) {
      return error instanceof Deno.errors.NotFound ? `${words[0]} is missing` : String(error);
    }
  }
  return undefined;
}

const probe = `kwd-${Deno.pid}-probe`;
/** Why there are no namespaces here. */
export const noNamespaces = await whyNot(["ip", "netns", "add", probe], ["ip", "netns", "del", probe]);
/** Why nft cannot drop packets here. */
export const noFirewall = noNamespaces ??
  await whyNot(["unshare", "-n", "nft", "add", "table", "inet", "probe"]);
/** Why nothing can be mounted here. */
export const noMounts = await whyNot(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]);

/** A namespace with its loopback up. Dispose to remove it with all in it that has ended. */
export class Namespace implements AsyncDisposable {
  private constructor(readonly name: string) {}

  static async open(part: string): Promise<Namespace> {
    const space = new Namespace(`kwd-${Deno.pid}-${part}`);
    await system(["ip", "netns", "add", space.name]);
    await space.ip("link", "set", "lo", "up");
    return space;
  }

  /** `ip` inside. */
  ip(...words: string[]): Promise<void> {
    return system(["ip", "-n", this.name, ...words]);
  }

  /** How the program is started inside. */
  get launch(): Launch {
    return { ...HERE, words: ["ip", "netns", "exec", this.name, ...HERE.words] };
  }

  /** Joins two by a cable: the card of both is called `wire`. */
  async join(other: Namespace): Promise<void> {
    await system([
      "ip",
      "link",
      "add",
      "wire",
      "netns",
      this.name,
      "type",
      "veth",
      "peer",
      "name",
      "wire",
      "netns",
      other.name,
    ]);
    for (const space of [this, other]) await space.ip("link", "set", "wire", "up");
  }

  /** Drops what a rule of nft matches at a hook, or does something else with it, until disposed. */
  async drop(hook: "input" | "output", rule: string, verdict = "drop"): Promise<AsyncDisposable> {
    const chain = `type filter hook ${hook} priority 0\n${rule} ${verdict}`;
    const nft = (text: string) => system(["ip", "netns", "exec", this.name, "nft", "-f", "-"], text);
    await nft(`table inet doctor {\nchain c {\n${chain}\n}\n}\n`);
    return { [Symbol.asyncDispose]: () => nft("flush ruleset\n") };
  }

  /** Drops what comes in for a port, until disposed; by a rule of routing where there is no nft. */
  async shut(port: number): Promise<AsyncDisposable> {
    if (noFirewall === undefined) return await this.drop("input", `tcp dport ${port}`);
    const rule = ["prio", "1", "iif", "wire", "ipproto", "tcp", "dport", `${port}`, "blackhole"];
    // it has to come before the table of own addresses
    await this.ip("rule", "add", "prio", "5", "lookup", "local");
    await this.ip("rule", "del", "prio", "0");
    await this.ip("rule", "add", ...rule);
    return {
      [Symbol.asyncDispose]: async () => {
        await this.ip("rule", "del", ...rule);
        await this.ip("rule", "add", "prio", "0", "lookup", "local");
        await this.ip("rule", "del", "prio", "5");
      },
    };
  }

  /** Has programs inside find this in place of /etc/resolv.conf (ip-netns(8)), until disposed. */
  async resolver(text: string): Promise<AsyncDisposable> {
    const folder = `/etc/netns/${this.name}`;
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/resolv.conf`, text);
    return { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await system(["ip", "netns", "del", this.name]);
  }
}
