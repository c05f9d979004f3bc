import { assert, assertEquals, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import {
  BASE_LIBRARY,
  explain,
  FRONT_LIBRARY,
  GgmlLibrary,
  whyNotOpened,
} from "../../src/compute/ggml_ffi.ts";
import { GGML_FOLDER, noGgml } from "../support/native_ggml.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

/** Builds the shared library `path` from C. `undefined` where there is no compiler. */
async function compile(path: string, source: string): Promise<boolean> {
  await Deno.writeTextFile(`${path}.c`, source);
  const args = ["-shared", "-fPIC", "-o", path, `${path}.c`];
  try {
    return (await new Deno.Command("cc", { args }).output()).success;
  } catch {
    return false;
  }
}

await using probe = await temporaryFolder();
const noCompiler = await compile(`${probe.path}/probe.so`, "int probe;")
  ? ""
  : " (left out: there is no C compiler)";

const refusal = (folder: string) => assertThrows(() => GgmlLibrary.open(folder, { quiet: true }), NodeError);

Deno.test("ggml's library says what a system lacks in words that help", () => {
  const glibc = "/n/libggml-cpu-x64.so: /lib/libc.so.6: version `GLIBC_2.34' not found (required by it)";
  assertEquals(
    explain(glibc),
    "this system is too old, wanted glibc 2.34 or newer, as Debian 12, Ubuntu 22.04 or later have",
  );
  assert(explain(glibc.replace("GLIBC_2.34", "GLIBCXX_3.4.29")).includes("GLIBCXX 3.4.29 or newer"));
  assert(explain("libgomp.so.1: cannot open shared object file").includes("libgomp1"));
  assert(explain("x.so: failed to map segment from shared object").includes("noexec"));
  assertEquals(explain("something else"), "something else");
});

Deno.test("ggml's library that is no library is refused", async () => {
  await using folder = await temporaryFolder();
  assertEquals(refusal(folder.path).code, "no_backend");
  await Deno.writeTextFile(`${folder.path}/${BASE_LIBRARY}`, "no library");
  assert(refusal(folder.path).message.startsWith(`Cannot open "${folder.path}/${BASE_LIBRARY}": `));
});

Deno.test({
  name: `ggml's library without our functions is refused${noCompiler}`,
  ignore: noCompiler !== "",
  async fn() {
    await using folder = await temporaryFolder();
    await compile(`${folder.path}/${BASE_LIBRARY}`, "int nothing;");
    assertEquals(refusal(folder.path).code, "no_backend");
  },
});

Deno.test({
  name: `ggml's library of another version is refused before anything else is called${noCompiler}`,
  ignore: noCompiler !== "" || noGgml !== undefined,
  // a library that was opened and refused stays open: nothing of it is used
  sanitizeResources: false,
  async fn() {
    await using folder = await temporaryFolder();
    const { BASE_SYMBOLS } = await import("../../src/compute/ggml_symbols.ts");
    const names = new Set(
      Object.entries(BASE_SYMBOLS).map(([key, form]) => "name" in form ? form.name : key),
    );
    names.delete("ggml_version");
    const others = [...names].map((name) => `void ${name}(void) { abort(); }`).join("\n");
    const source = `void abort(void);\nconst char *ggml_version(void) { return "0.26.0"; }\n${others}\n`;
    assert(await compile(`${folder.path}/${BASE_LIBRARY}`, source));
    await Deno.copyFile(`${GGML_FOLDER}/${FRONT_LIBRARY}`, `${folder.path}/${FRONT_LIBRARY}`);
    const { code, message } = refusal(folder.path);
    assertEquals(code, "no_backend");
    assert(message.endsWith('it is version "0.26.0", wanted 0.25.1'), message);
  },
});

Deno.test({
  name: `ggml's backends tell why they are not opened${noGgml ? ` (left out: ${noGgml})` : ""}`,
  ignore: noGgml !== undefined,
  async fn() {
    assertEquals(whyNotOpened(`${GGML_FOLDER}/${FRONT_LIBRARY}`), undefined);
    await using folder = await temporaryFolder();
    await Deno.writeTextFile(`${folder.path}/libggml-cpu-x64.so`, "cut off");
    assert(whyNotOpened(`${folder.path}/libggml-cpu-x64.so`) !== undefined);
  },
});
