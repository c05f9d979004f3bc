/**
 * How many requests are answered at once.
 *
 * @module
 */

/** Answers that go on after their head was sent. */
const STREAMED = /^(?:text\/event-stream|application\/x-ndjson)(?:;|$)/;

/** Room for so many requests. */
export class RequestSlots {
  #taken = 0;

  constructor(readonly limit: number) {}

  /** Requests being answered. */
  get taken(): number {
    return this.#taken;
  }

  /** Answers a request while there is room, `undefined` otherwise. A stream keeps its place to its end. */
  async answer(work: () => Promise<Response>): Promise<Response | undefined> {
    if (this.#taken >= this.limit) return undefined;
    this.#taken++;
    let held = true;
    const release = () => {
      if (held) this.#taken--;
      held = false;
    };
    try {
      const response = await work();
      if (response.body !== null && STREAMED.test(response.headers.get("content-type") ?? "")) {
        return endTold(response, response.body, release);
      }
      release();
      return response;
    } catch (error) {
      release();
      throw error;
    }
  }
}

/** The same response, read no faster than it is taken; `ended` is called once it is through or left. */
function endTold(response: Response, body: ReadableStream<Uint8Array>, ended: () => void): Response {
  const reader = body.getReader();
  const told = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        ended();
        controller.close();
      } catch (error) {
        ended();
        controller.error(error);
      }
    },
    async cancel(reason) {
      ended();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  return new Response(told, response);
}
