import { assertEquals, assertThrows } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { decodeUtf8, encodeUtf8 } from "../../src/base/bytes.ts";
import { basic, digest, readChallenge, whenAsked } from "../../src/energy/sources/http_auth.ts";
import { assertBounded } from "../support/decoders.ts";
import { fakeWorld } from "../support/world.ts";

const CHALLENGE = 'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, ' +
  'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"';

const responseOf = (header: string) => /response="([0-9a-f]+)"/.exec(header)?.[1];

Deno.test("digest answers the example of RFC 7616 (3.9.1) and curl's test 2061, which has no counter", async () => {
  const mufasa = { user: "Mufasa", password: "Circle of Life" };
  const header = await digest(mufasa, readChallenge(CHALLENGE), {
    method: "GET",
    uri: "/dir/index.html",
    cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    count: 1,
  });
  assertEquals(responseOf(header), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
  assertEquals(header.includes("qop=auth, nc=00000001, "), true);
  const curl = await digest(
    { user: "testuser", password: "testpass" },
    readChallenge('Digest realm="testrealm", nonce="1053604145", algorithm="SHA-256"'),
    { method: "GET", uri: "/2061", cnonce: "", count: 1 },
  );
  assertEquals(responseOf(curl), "9dc55255f1a2537b838311674b621d45346b862a81631bb20e4ce356ef25062d");
});

Deno.test("basic is that of RFC 7617, with UTF-8", () => {
  assertEquals(basic({ user: "Aladdin", password: "open sesame" }), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  assertEquals(basic({ user: "test", password: "123£" }), "Basic dGVzdDoxMjPCow==");
});

Deno.test("A password is not sent before the device asks, nor a second time to one that refused it", async () => {
  const auth = whenAsked(fakeWorld(), { user: "admin", password: "secret" });
  const request = { method: "GET", uri: "/status" };
  assertEquals(await auth.header(request), undefined);
  assertEquals(auth.challenge('Basic realm="shelly"'), true);
  assertEquals((await auth.header(request))?.startsWith("Basic "), true);
  assertEquals(auth.challenge('Basic realm="shelly"'), false);
});

Deno.test("A nonce that has become old is renewed, a wrong password is not tried again", async () => {
  const auth = whenAsked(fakeWorld(), { user: "admin", password: "secret" });
  const asks = (nonce: string, more = "") =>
    auth.challenge(`Digest realm="r", nonce="${nonce}", qop="auth", algorithm=SHA-256${more}`);
  const counter = async () =>
    /nc=([0-9a-f]+)/.exec(await auth.header({ method: "GET", uri: "/" }) ?? "")?.[1];
  assertEquals(asks("1"), true);
  assertEquals([await counter(), await counter()], ["00000001", "00000002"]);
  assertEquals(asks("2"), true);
  assertEquals(await counter(), "00000001");
  assertEquals(asks("3", ", stale=true"), true);
  assertEquals(await counter(), "00000001");
  assertEquals(asks("4"), false);
});

Deno.test("Other ways and broken questions are refused, and no header breaks the reader", () => {
  for (
    const header of [
      'Digest realm="r", nonce="n"',
      'Digest realm="r", nonce="n", algorithm=MD5',
      'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth-int"',
    ]
  ) assertEquals(assertThrows(() => readChallenge(header), NodeError).code, "unsupported");
  assertEquals(assertThrows(() => readChallenge("Digest algorithm=SHA-256"), NodeError).code, "malformed");
  const auth = whenAsked(fakeWorld(), { user: "a", password: "b" });
  assertEquals(assertThrows(() => auth.challenge("Negotiate"), NodeError).code, "unsupported");
  assertBounded((bytes) => readChallenge(decodeUtf8(bytes)), encodeUtf8(CHALLENGE));
});
