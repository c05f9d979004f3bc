import { assertEquals } from "@std/assert";
import { Output, type Sink } from "../../src/cli/output.ts";
import { loadSettings, textLevel, worldOf } from "../../src/cli/settings.ts";

const sink = (isTerminal: boolean): Sink => ({
  writeSync: ({ length }) => length,
  isTerminal: () => isTerminal,
});
const invocation = (stdout: boolean, stderr: boolean, ...flags: [string, unknown][]) => ({
  flags: new Map<string, unknown>(flags) as never,
  words: [],
  output: new Output(sink(stdout), sink(stderr)),
  environment: { HOME: "/nowhere" },
});

Deno.test("textLevel keeps log lines out of a text only where both are on one terminal", () => {
  assertEquals(textLevel(invocation(true, true)), "error");
  for (const [stdout, stderr] of [[true, false], [false, true], [false, false]] as const) {
    assertEquals(textLevel(invocation(stdout, stderr)), "warn");
  }
  assertEquals(textLevel(invocation(true, true, ["json", true])), "warn");
});

Deno.test("worldOf writes what the owner asked for, also where a verb would say less", () => {
  const written = (...flags: [string, unknown][]): string => {
    const asked = invocation(true, true, ...flags);
    const level = {
      name: "log-level",
      kind: "text",
      value: "L",
      sentence: "",
      setting: "log_level",
    } as const;
    const settings = loadSettings(asked, [level]);
    const lines: string[] = [];
    const { writeSync } = Deno.stderr;
    Deno.stderr.writeSync = (bytes) => {
      lines.push(new TextDecoder().decode(bytes));
      return bytes.length;
    };
    try {
      const { log } = worldOf(asked, settings, textLevel(asked));
      log.warn("Server failed, another is sought");
      log.error("It is over");
    } finally {
      Deno.stderr.writeSync = writeSync;
    }
    return lines.map((line) => /Server failed/.test(line) ? "warn" : "error").join();
  };
  assertEquals(written(), "error");
  assertEquals(written(["log-level", "warn"]), "warn,error");
});
