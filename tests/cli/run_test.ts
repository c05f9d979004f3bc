import { assertEquals, assertMatch } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { exitCodeOf, lineOf } from "../../src/cli/exit_code.ts";
import { Output, type Sink } from "../../src/cli/output.ts";
import { run } from "../../src/cli/run.ts";
import { VERBS } from "../../src/cli/verbs.ts";
import { fakeWorld } from "../support/world.ts";

class TextSink implements Sink {
  text = "";
  writeSync(bytes: Uint8Array): number {
    // a pipe may take less than it is offered
    const taken = bytes.subarray(0, 7);
    this.text += new TextDecoder().decode(taken);
    return taken.length;
  }
}

async function ask(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err] = [new TextSink(), new TextSink()];
  const code = await run(args, new Output(out, err));
  return { code, out: out.text, err: err.text };
}

Deno.test("run answers wrong arguments with exit code 2 and one line that names the cure", async () => {
  const cases: [string[], RegExp][] = [
    [["confg", "show"], /no such verb, wanted config$/],
    [["--network", "private"], /no such flag before a verb/],
    [["config", "show", "--netwrok", "kwaai"], /Cannot use --netwrok: .* wanted --network$/],
    [["config", "show", "--netwrok=kwaai"], /Cannot use --netwrok: /],
    [["config", "show", "--network"], /it has no value, wanted --network kwaai\|petals\|private$/],
    [["config", "show", "--network", "--json"], /it has no value/],
    [["config", "show", "--network="], /it has no value/],
    [["config", "show", "--network", "kwai"], /flag says "kwai", wanted one of kwaai, petals, private$/],
    [["config", "show", "--api", "nowhere"], /wanted HOST:PORT/],
    [["config"], /something is missing, wanted kwaainet config show \| check \| path$/],
    [["config", "show", "more"], /"more" is one word too many/],
    [["config", "shwo"], /no such action, wanted show$/],
    [
      ["config", "check", "--config", "/nonexistent/c.toml"],
      /it does not exist, wanted a configuration file$/,
    ],
    [["config", "check", "--set", "compute.threds=1"], /such as "compute\.threads"$/],
    [["version", "x"], /one word too many, wanted no words/],
    [["completion", "csh"], /there is no such action/],
  ];
  for (const [args, line] of cases) {
    const { code, out, err } = await ask(...args);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertMatch(err.trimEnd(), line);
    assertEquals(err.split("\n").length, 2, `one line: ${err}`);
    assertMatch(err, /^kwaainet: Cannot /);
  }
});

Deno.test("run shows help for the program and for each verb, only of verbs that are meant for people", async () => {
  const { code, out } = await ask("help");
  assertEquals(code, 0);
  for (const verb of VERBS) {
    assertEquals(out.includes(`\n  ${verb.name} `), verb.internal !== true, verb.name);
    const help = await ask(verb.name, "--help");
    assertEquals([help.code, help.err], [0, ""]);
    for (const flag of verb.flags) assertEquals(help.out.includes(`--${flag.name}`), true, flag.name);
    assertEquals((await ask("help", verb.name)).out, help.out);
  }
});

Deno.test("run answers version and config in JSON with a schema", async () => {
  const version = JSON.parse((await ask("version", "--json")).out);
  assertEquals(Object.keys(version), ["schema", "kwaainet", "deno", "v8", "ggml", "target", "commit"]);
  const shown = JSON.parse((await ask("config", "show", "--json", "--network", "private")).out);
  assertEquals(shown.settings.find(({ path }: { path: string }) => path === "network").origin, "flag");
});

Deno.test("Output keeps quiet once its reader has gone", () => {
  let writes = 0;
  const broken: Sink = {
    writeSync() {
      writes++;
      throw new Deno.errors.BrokenPipe();
    },
  };
  const output = new Output(broken, broken);
  output.line("a");
  output.line("b");
  output.error("c");
  assertEquals([writes, output.closed.aborted], [2, true]);
});

Deno.test("Output writes an event with its time first, in one line", () => {
  const sink = new TextSink();
  new Output(sink, sink).event(fakeWorld().clock, "ready", { api: "http://x" });
  assertEquals(sink.text, '{"event":"ready","at":1700000000000,"api":"http://x"}\n');
});

Deno.test("exitCodeOf and lineOf know our failures and our faults", () => {
  assertEquals(exitCodeOf(new NodeError("not_running", "Cannot ask")), 3);
  assertEquals(exitCodeOf(new NodeError("aborted", "Cannot go on")), 130);
  assertEquals(exitCodeOf(new RangeError("bad")), 1);
  assertEquals(exitCodeOf("text"), 1);
  assertMatch(lineOf(new TypeError("x is\nundefined")), /^kwaainet: Cannot go on: x is undefined, /);
});
