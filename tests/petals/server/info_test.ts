import { assertEquals } from "@std/assert";
import { toHex } from "../../../src/base/bytes.ts";
import { decodeExpertInfo, encodeExpertUid } from "../../../src/petals/wire/expert.ts";
import { decodeRpcInfo } from "../../../src/petals/wire/rpc_info.ts";
import { bytesOf, vectors } from "../../support/vectors.ts";
import {
  hidden,
  never,
  NO_PROMPTS,
  NO_ROWS,
  opening,
  openSession,
  openToyServer,
  P,
  SERVER,
  wordsOf,
} from "./toy.ts";

Deno.test("rpc_info tells the server's state, and a block's schemas when asked about one", async () => {
  const { client } = openToyServer();
  const ask = async (uid: string) =>
    decodeRpcInfo(
      decodeExpertInfo(await client.callUnary(SERVER, `${P}rpc_info`, encodeExpertUid(uid), never)),
    );
  const server = { version: "kwaainet-1", clientMode: false, cacheTokensAvailable: 400 };
  assertEquals(await ask(""), { ...server, block: undefined });
  assertEquals(await ask("toy.3"), { ...server, block: { hiddenSize: 4, dtype: "float32" } });
  const session = await openSession(client);
  await session.step([hidden(1, 1), NO_PROMPTS, NO_ROWS], opening(10));
  assertEquals((await ask("toy.2")).cacheTokensAvailable, 360);
});

Deno.test("rpc_info of a block that is not served is a KeyError's text", async () => {
  const { client } = openToyServer();
  for (const uid of ["toy.9", "x.2", "toy.2 toy.3", "toy.02"]) {
    assertEquals(
      await wordsOf(client.callUnary(SERVER, `${P}rpc_info`, encodeExpertUid(uid), never)),
      uid,
    );
  }
});

Deno.test("rpc_info has the captured bytes when server and model are the captured ones", async () => {
  const { client } = openToyServer({ version: "2.2.0.post1" });
  const reply = await client.callUnary(SERVER, `${P}rpc_info`, new Uint8Array(0), never);
  const golden = vectors.captured_wire_frames.rpc_info.response;
  assertEquals(toHex(reply).length, golden.length);
  const differing = [...bytesOf(golden)].filter((byte, i) => byte !== reply[i]).length;
  assertEquals(differing, 2, "only the count of tokens");
});
