import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";

const options = {
  string: ["name", "set"],
  boolean: ["json", "serve"],
  collect: ["set"],
  negatable: ["serve"],
  alias: { name: "n" },
  default: { serve: true },
};

Deno.test("parseArgs reads flags in every form and leaves the rest", () => {
  assertEquals(
    parseArgs(
      ["start", "--name", "a b", "--json", "--set", "x=1", "--set=y=2", "--no-serve", "--", "--json"],
      options,
    ),
    { name: "a b", json: true, set: ["x=1", "y=2"], serve: false, _: ["start", "--json"] },
  );
  assertEquals(parseArgs(["-n", "x"], options).name, "x");
  assertEquals(parseArgs(["--name", "-1"], options).name, "-1");
  assertEquals(parseArgs(["--name"], options).name, "");
});

Deno.test("parseArgs hands unknown flags to `unknown` and drops them when it says so", () => {
  const seen: string[] = [];
  const unknown = (arg: string) => {
    seen.push(arg);
    return arg.startsWith("-") ? false : undefined;
  };
  const args = parseArgs(["verb", "--nmae", "--x=3"], { ...options, unknown });
  assertEquals(seen, ["verb", "--nmae", "--x=3"]);
  assertEquals(args._, ["verb"]);
  assertEquals("nmae" in args, false);
});

Deno.test("parseArgs stops at the first positional argument where asked", () => {
  assertEquals(parseArgs(["a", "--json"], { ...options, stopEarly: true })._, ["a", "--json"]);
});
