import { assert, assertEquals } from "@std/assert";
import { CONFIG_KEYS } from "../../src/config/schema.ts";
import { VERBS } from "../../src/cli/verbs.ts";

const ROOT = new URL("../../", import.meta.url);
const PAGES = [
  ...["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"],
  ...[...Deno.readDirSync(new URL("docs", ROOT))].filter(({ name }) => name.endsWith(".md"))
    .map(({ name }) => `docs/${name}`),
];
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));

/** Commands in code, a line that ends in a backslash with the next. */
function commandsIn(text: string): string[] {
  const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, code]) =>
    code!.replace(/\\\n/g, " ").split("\n")
  );
  const inline = [...text.replace(/```.*?```/gs, "").matchAll(/`([^`]+)`/g)].map(([, code]) =>
    code!.replaceAll("\n", " ")
  );
  return [...blocks, ...inline].flatMap((line) =>
    line.match(/(?:^|sudo |\.\/|task )kwaainet ((?!VERB)[a-z][^#|]*)/)?.[1] ?? []
  );
}

Deno.test("the pages name verbs, flags and settings that there are", () => {
  let seen = 0;
  for (const page of PAGES) {
    for (const command of commandsIn(read(page))) {
      const [name] = command.split(/\s/);
      if (["help", "engine"].includes(name!)) continue;
      const verb = VERBS.find((other) => other.name === name);
      assert(verb !== undefined, `${page}: ${command}`);
      const known = ["help", ...verb.flags.map((flag) => flag.name)];
      for (const [, flag] of command.replace(/"[^"]*"/g, "").matchAll(/ --([a-z][a-z-]*)/g)) {
        assert(known.includes(flag!), `${page}: ${name} has no --${flag}`);
        seen++;
      }
    }
    for (const [, path] of read(page).matchAll(/--set ([a-z_]+\.[a-z_]+)=/g)) {
      assert(Object.hasOwn(CONFIG_KEYS, path!), `${page}: there is no setting ${path}`);
    }
  }
  assert(seen > 30, `the pattern finds flags: ${seen}`);
});

Deno.test("all verbs for people take --json but the one that prints a script", () => {
  const without = VERBS.filter(({ name, flags }) =>
    name !== "engine" && !flags.some(({ name }) => name === "json")
  );
  assertEquals(without.map(({ name }) => name), ["completion"]);
});

Deno.test("the pages link to files and headings that there are", () => {
  const anchor = (heading: string) =>
    heading.toLowerCase().replace(/[^\w\s-]/g, "").trim().replace(/\s/g, "-");
  const anchorsOf = (path: string) =>
    [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, words]) => anchor(words!));
  for (const page of PAGES) {
    for (const [, target] of read(page).matchAll(/\]\(((?!https?:)[^)\s]+)\)/g)) {
      const [path, heading] = target!.split("#");
      const url = new URL(path === "" ? page : path!, new URL(page, ROOT));
      const full = path === "" ? page : url.href.slice(ROOT.href.length);
      assert(Deno.statSync(new URL(full, ROOT)), `${page}: ${target}`);
      if (heading !== undefined) assert(anchorsOf(full).includes(heading), `${page}: no heading ${target}`);
    }
  }
});
