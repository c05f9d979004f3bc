/** Signed intervals of energy, checked by a foreign language's libraries that have the file alone. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { HOUR_MS } from "../../../src/energy/certificates/quantities.ts";
import { intervalDocument, signDocument } from "../../../src/energy/certificates/sign.ts";
import { createIdentity, decodeIdentity } from "../../../src/identity/keys.ts";
import { consumed, produced, TEN } from "../../energy/certificates/some.ts";
import { temporaryFolder } from "../../support/temporary_folder.ts";
import { bytesOf, vectors } from "../../support/vectors.ts";

const VENV = Deno.env.get("KWAAI_PEERS_VENV");
const WHY = VENV === undefined ? " (skipped: KWAAI_PEERS_VENV names no Python with cryptography)" : "";
const SCRIPT = new URL("./check_intervals.py", import.meta.url).pathname;

async function check(path: string): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(`${VENV}/bin/python`, { args: [SCRIPT, path] })
    .output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test({
  name:
    `Python's cryptography checks signed intervals of Ed25519 and RSA identities, and finds a change${WHY}`,
  ignore: VENV === undefined,
  async fn() {
    await using folder = await temporaryFolder();
    const rsa = decodeIdentity(bytesOf(vectors.identity.rsa_identity_file_hex));
    for (const identity of [await createIdentity(), rsa]) {
      const document = intervalDocument({
        peerId: identity.peerId,
        atMs: TEN + 4 * HOUR_MS,
        fromMs: TEN,
        toMs: TEN + 3 * HOUR_MS,
        country: "DE",
        zone: "Zürich €😀",
        consumption: [
          consumed(TEN, 42.9, { coverage: 0.999 }),
          consumed(TEN + HOUR_MS, 1, { uncertainty: null }),
        ],
        production: [produced(TEN, 420)],
      });
      const path = `${folder.path}/${identity.type}.json`;
      const text = JSON.stringify(await signDocument(identity, document), null, 1);
      await Deno.writeTextFile(path, text);
      assertEquals(await check(path), { code: 0, out: identity.peerId, err: "" });
      await Deno.writeTextFile(path, text.replace('"interval_usage": 42', '"interval_usage": 43'));
      assertNotEquals((await check(path)).code, 0);
    }
  },
});
