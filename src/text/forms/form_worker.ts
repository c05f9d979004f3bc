/**
 * A thread that keeps forms: preparing one takes up to seconds, and nothing else is to wait for it.
 *
 * @module
 */
import { NodeError } from "../../base/errors.ts";
import type { FormLink, FormReply, FormRequest } from "./form_messages.ts";
import { FormServer } from "./form_server.ts";
import { FORM_WORKER, isFormWorker } from "./form_worker_name.ts";

/** What the thread says first: what it is told before that is lost. */
const READY = "ready";

/** What a thread has, and the program's first one has not. */
interface ThreadScope {
  onmessage: (event: MessageEvent<FormRequest>) => void;
  postMessage(message: FormReply | typeof READY): void;
}

/** Starts the thread. Dispose to end it. */
export function openFormWorker(): FormLink {
  const worker = new Worker(import.meta.url, { type: "module", name: FORM_WORKER });
  const ready = Promise.withResolvers<void>();
  let asked: PromiseWithResolvers<FormReply> | undefined;
  ready.promise.catch(() => {}); // it may end before anybody asks
  worker.onmessage = ({ data }: MessageEvent<FormReply | typeof READY>) => {
    if (data === READY) ready.resolve();
    else asked?.resolve(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    const error = new NodeError(
      "unsupported",
      `Cannot keep a form: its thread ended with ${JSON.stringify(event.message)}, wanted it to run`,
    );
    ready.reject(error);
    asked?.reject(error);
  };
  return {
    ask: async (request) => {
      await ready.promise;
      asked = Promise.withResolvers();
      worker.postMessage(request);
      return await asked.promise;
    },
    [Symbol.dispose]: () => worker.terminate(),
  };
}

if (isFormWorker()) serveForms(globalThis as unknown as ThreadScope);

function serveForms(thread: ThreadScope): void {
  const server = new FormServer();
  thread.onmessage = async ({ data }) => thread.postMessage(await server.answer(data));
  thread.postMessage(READY);
}
