import { assertEquals } from "@std/assert";
import { listedPackages, type NpmPackage, reachedPackages, readGraph } from "../../scripts/dependencies.ts";

const text = await Deno.readTextFile(new URL("../../dependencies.txt", import.meta.url));
const idOf = ({ name, version }: { name: string; version: string }) => `${name}@${version}`;

Deno.test("dependencies.txt names every npm package that the program reaches, at the version it has", async () => {
  const { everywhere, fullOnly } = reachedPackages(await readGraph());
  assertEquals(
    listedPackages(text).toSorted(),
    [...everywhere, ...fullOnly].map(idOf).toSorted(),
    "stale: deno run -A scripts/dependencies.ts > dependencies.txt",
  );
});

Deno.test("dependencies.txt names no package without a licence", () => {
  assertEquals(text.match(/^.*none named.*$/gm), null);
});

Deno.test("reachedPackages follows dependencies from the program's modules and keeps onnxruntime's own apart", () => {
  const made = (name: string, ...dependencies: string[]): [string, NpmPackage] => [
    `${name}@1.0.0`,
    { name, version: "1.0.0", dependencies: dependencies.map((each) => `${each}@1.0.0`) },
  ];
  const npmPackages = Object.fromEntries([
    made("a", "c"),
    made("b", "a"),
    made("c", "a"),
    made("onnxruntime-node", "c", "d"),
    made("d"),
    made("only-in-tests"),
  ]);
  const modules = [{ npmPackage: "b@1.0.0" }, {}, { npmPackage: "onnxruntime-node@1.0.0" }];
  const { everywhere, fullOnly } = reachedPackages({ modules, npmPackages });
  assertEquals(everywhere.map(({ name }) => name), ["a", "b", "c"]);
  assertEquals(fullOnly.map(({ name }) => name), ["d", "onnxruntime-node"]);
});
