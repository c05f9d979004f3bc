/** A program as one file, as it is shipped. */
import { assert } from "@std/assert";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "./temporary_folder.ts";

/** A file of the project as source imports it: its address in quotes. */
export const sourceFile = (path: string): string =>
  JSON.stringify(new URL(`../../${path}`, import.meta.url).href);

/** What a program that is bundled and run says. */
export async function saidByBundle(source: string): Promise<string> {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/main.ts`, source);
  const run = (...args: string[]) =>
    new Deno.Command(Deno.execPath(), { args, stdin: "null", stderr: "inherit", cwd: folder.path }).output();
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  const bundled = await run(
    ...["bundle", "--quiet", "--config", config, "--platform", "deno", "--minify"],
    ...["-o", "main.js", "main.ts"],
  );
  assert(bundled.success);
  const { stdout } = await run("run", "-A", "--no-config", "main.js");
  return new TextDecoder().decode(stdout);
}
