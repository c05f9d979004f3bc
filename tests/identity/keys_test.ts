import { assert, assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import {
  createIdentity,
  decodeIdentity,
  encodeIdentity,
  openIdentity,
  readIdentity,
} from "../../src/identity/keys.ts";
import { assertBounded } from "../support/decoders.ts";
import { bytesOf, vectors } from "../support/vectors.ts";

const golden = vectors.identity;

async function inFolder(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await work(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("identity reads the RSA file of hivemind and finds its peer id", () => {
  const identity = decodeIdentity(bytesOf(golden.rsa_identity_file_hex));
  assertEquals([identity.type, identity.peerId], ["RSA", golden.peer_id_b58]);
  assertEquals(decodeIdentity(encodeIdentity(identity)).peerId, golden.peer_id_b58);
});

Deno.test("identity is created once, with mode 0600, and stays the same", async () => {
  await inFolder(async (dir) => {
    const path = `${dir}/identity.key`;
    assertEquals(await readIdentity(path), undefined);
    const first = await openIdentity(path);
    assertEquals(first.type, "Ed25519");
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    assertEquals((await openIdentity(path)).peerId, first.peerId);
    const names = await Array.fromAsync(Deno.readDir(dir), (entry) => entry.name);
    assertEquals(names, ["identity.key"]);
  });
});

Deno.test("identity of mode 0400 is read, a damaged file is corrupt and stays as it is", async () => {
  await inFolder(async (dir) => {
    const path = `${dir}/identity.key`;
    const identity = await createIdentity();
    await Deno.writeFile(path, encodeIdentity(identity), { mode: 0o400 });
    assertEquals((await openIdentity(path)).peerId, identity.peerId);
    const damaged = `${dir}/damaged.key`;
    await Deno.writeFile(damaged, encodeIdentity(identity).subarray(0, 20));
    const error = await assertRejects(() => openIdentity(damaged), NodeError, "backup");
    assertEquals(error.code, "corrupt");
    assertEquals((await Deno.readFile(damaged)).length, 20);
    await Deno.writeFile(damaged, new Uint8Array(20_000));
    await assertRejects(() => openIdentity(damaged), NodeError);
    await Deno.mkdir(`${dir}/folder.key`);
    const folder = await assertRejects(() => openIdentity(`${dir}/folder.key`), NodeError, "move it away");
    assertEquals(folder.code, "corrupt");
    assertEquals(await readIdentity(`${damaged}/identity.key`), undefined, "below a file there is none");
  });
});

Deno.test("identity ends every cut, flipped or random file in a value or a NodeError", async () => {
  assertBounded(decodeIdentity, encodeIdentity(await createIdentity()));
  assert(true);
});
