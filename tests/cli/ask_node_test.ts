import { assertEquals, assertRejects } from "@std/assert";
import { NodeError } from "../../src/base/errors.ts";
import { dataPaths } from "../../src/config/paths.ts";
import { askNode } from "../../src/cli/ask_node.ts";
import { temporaryFolder } from "../support/temporary_folder.ts";

const never = new AbortController().signal;

/** The answer to a question, where whatever has the port does this. */
async function answered(
  serve: (request: Request) => Response | Promise<Response>,
  signal = never,
  key: string | null = null,
): Promise<unknown> {
  await using folder = await temporaryFolder();
  const end = new AbortController();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", signal: end.signal, onListen() {} }, serve);
  const paths = dataPaths(folder.path);
  const api = `http://127.0.0.1:${server.addr.port}`;
  await Deno.writeTextFile(paths.lock, JSON.stringify({ pid: Deno.pid, api, key }));
  try {
    return await askNode(paths, "/api/v1/energy", signal);
  } finally {
    end.abort();
    await server.finished;
  }
}

const codeOf = async (...args: Parameters<typeof answered>): Promise<string> =>
  (await assertRejects(() => answered(...args), NodeError)).code;

Deno.test("askNode takes the answers of a node, and nobody else's", async () => {
  assertEquals(await answered(() => Response.json({ schema: 1, a: 2 })), { schema: 1, a: 2 });
  for (
    const stranger of [
      () => new Response("<html>"),
      () => Response.json(null),
      () => Response.json({ schema: 2 }),
      () => new Response("no", { status: 404 }),
      () => new Response(`{"schema":1,"a":"${"x".repeat(5 << 20)}"}`),
    ]
  ) assertEquals(await codeOf(stranger), "not_running");
});

Deno.test("askNode brings the key that a node leaves for it, and none where it leaves none", async () => {
  const echo = ({ headers }: Request) =>
    Response.json({ schema: 1, authorization: headers.get("authorization") });
  assertEquals(await answered(echo, never, "abc"), { schema: 1, authorization: "Bearer abc" });
  assertEquals(await answered(echo), { schema: 1, authorization: null });
});

Deno.test("askNode tells on what a node could not do", async () => {
  const error = { message: "Cannot find it", type: "t", param: null, code: "not_found" };
  const failed = await assertRejects(
    () => answered(() => Response.json({ error }, { status: 404 })),
    NodeError,
    "answers 404, Cannot find it",
  );
  assertEquals(failed.code, "remote");
});

Deno.test("askNode ends with its caller's signal while a node does not answer", async () => {
  const stop = new AbortController();
  const reached = Promise.withResolvers<void>();
  const slow = () => {
    reached.resolve();
    return new Promise<Response>((resolve) =>
      stop.signal.addEventListener("abort", () => resolve(new Response()))
    );
  };
  void reached.promise.then(() => stop.abort(new NodeError("aborted", "Ctrl-C")));
  assertEquals(await codeOf(slow, stop.signal), "aborted");
});

Deno.test("askNode finds nobody where no node runs or its port is closed", async () => {
  await using folder = await temporaryFolder();
  const paths = dataPaths(folder.path);
  const ask = async () => (await assertRejects(() => askNode(paths, "/x", never), NodeError)).code;
  assertEquals(await ask(), "not_running");
  await Deno.writeTextFile(paths.lock, JSON.stringify({ pid: Deno.pid, api: "http://127.0.0.1:1" }));
  assertEquals(await ask(), "not_running");
});
