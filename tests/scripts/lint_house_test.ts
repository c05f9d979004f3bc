import { assertEquals } from "@std/assert";
import house from "../../scripts/lint_house.ts";
import advice from "../../scripts/lint_advice.ts";

const messages = (file: string, source: string, plugin = house) =>
  Deno.lint.runPlugin(plugin, file, source).map((d) => `${d.id}: ${d.message}`);

Deno.test("house/floors reports an import from an upper floor", () => {
  assertEquals(messages("/r/src/dht/x.ts", `import "../petals/report.ts";`), [
    "house/floors: src/dht may not import src/petals",
  ]);
});
Deno.test("house/floors reports an import from the same floor", () => {
  assertEquals(messages("/r/src/energy/x.ts", `import { a } from "../rewards/ledger.ts"; a;`), [
    "house/floors: src/energy may not import src/rewards",
  ]);
});
Deno.test("house/floors accepts an import from a lower floor", () => {
  assertEquals(messages("/r/src/node/x.ts", `import { a } from "../dht/dht.ts"; a;`), []);
});
Deno.test("house/clock reports every way to read the clock", () => {
  const source = "Date.now(); performance.now(); new Date(); setTimeout(() => {}, 1);";
  assertEquals(messages("/r/src/dht/x.ts", source).length, 4);
  assertEquals(messages("/r/src/base/system_world.ts", source).length, 0);
});
Deno.test("house/signals reports AbortSignal.any", () => {
  assertEquals(messages("/r/src/dht/x.ts", "AbortSignal.any([]);"), [
    "house/signals: AbortSignal.any may never abort on Deno 2.6.10",
  ]);
});
Deno.test("advice/sizes reports a fifth parameter and a 61st line", () => {
  assertEquals(
    messages("/r/src/dht/x.ts", "function f(a: 1, b: 2, c: 3, d: 4, e: 5) {}", advice).length,
    1,
  );
  assertEquals(messages("/r/src/dht/x.ts", `function f() {${"\n".repeat(60)}}`, advice).length, 1);
});
Deno.test("house/documented reports an export without JSDoc", () => {
  assertEquals(messages("/r/src/dht/x.ts", "export const a = 1;"), [
    "house/documented: Export has no JSDoc",
  ]);
  assertEquals(messages("/r/src/dht/x.ts", "/** A. */\nexport const a = 1;"), []);
});
