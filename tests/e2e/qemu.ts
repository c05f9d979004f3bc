/** The aarch64 binary: under qemu-user, or as it is on a machine of that kind. */
import type { Launch } from "./program.ts";

const binary = Deno.env.get("KWAAI_BINARY_AARCH64") ??
  new URL("../../dist/kwaainet-aarch64", import.meta.url).pathname;
const isArm = Deno.build.arch === "aarch64";

/** Where Debian's libc6-arm64-cross and its like lie. */
const PREFIX = "/usr/aarch64-linux-gnu";
/** Never qemu's default `max`: it emulates pointer authentication, and noise's handshake then times out (qemu 7.2). */
const EMULATOR = ["qemu-aarch64-static", "-cpu", "cortex-a72"] as const;
/** What the loader and ggml ask for. */
const LIBRARIES = ["ld-linux-aarch64.so.1", "libc.so.6", "libgcc_s.so.1", "libstdc++.so.6"];

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

async function whyNot(): Promise<string | undefined> {
  if (!await exists(binary)) return `${binary} is missing, deno task build --target aarch64 makes it`;
  if (isArm) return undefined;
  const paths = (Deno.env.get("PATH") ?? "").split(":");
  const found = await Promise.all(paths.map((path) => exists(`${path}/${EMULATOR[0]}`)));
  if (!found.includes(true)) return `${EMULATOR[0]} is missing, Debian's qemu-user-static brings it`;
  for (const name of LIBRARIES) {
    if (!await exists(`${PREFIX}/lib/${name}`)) {
      return `${PREFIX}/lib/${name} is missing, Debian's libc6-arm64-cross, libgcc-s1-arm64-cross and ` +
        "libstdc++6-arm64-cross bring it";
    }
  }
  return undefined;
}

/** Why the binary cannot be tried here; `undefined` when it can. */
export const noArm: string | undefined = await whyNot();

/**
 * Starts the binary. Without the kernel's help (binfmt) a child of an emulated process is not emulated by itself: the
 * engine's command has the emulator before it.
 */
export const ARM: Launch = isArm ? { words: [binary], patienceMs: 60_000 } : {
  words: [...EMULATOR, binary],
  env: { QEMU_LD_PREFIX: PREFIX, KWAAI_COMPUTE_COMMAND_PREFIX: EMULATOR.join(",") },
  // 10 to 25 times slower than the machine itself, and then beside other tests
  patienceMs: 240_000,
};
