/**
 * Handing a step's output on to the next server of the chain, so that it need not go through the client.
 *
 * @module
 */
import { openDeadline } from "../../base/deadline.ts";
import { messageOf } from "../../base/errors.ts";
import type { World } from "../../base/world.ts";
import type { Rpc } from "../../p2p/rpc.ts";
import { spanUid } from "../uid.ts";
import { encodeExpertRequest } from "../wire/expert.ts";
import { nextServersOf, pushedMetadata } from "../wire/metadata.ts";
import { MAX_OUTGOING_PUSH_BYTES, MAX_OUTGOING_PUSHES, MAX_UNARY_MESSAGE_BYTES, PUSH_MS } from "./limits.ts";
import type { Incoming } from "./session.ts";

/** The method's name on the wire. */
export const PUSH_METHOD = "TransformerConnectionHandler.rpc_push";

/** Sends outputs on and forgets them: the client's own copy makes up for every failure. */
export class PushSender implements Disposable {
  #under = 0;
  #bytes = 0;
  readonly #closed = new AbortController();
  constructor(readonly world: World, readonly rpc: Rpc, readonly prefix: string) {}

  /**
   * Hands on the `output` (a `runtime.Tensor` message) of a step in place of its hidden states, if the step names a
   * next server. Never throws and never waits.
   */
  send(step: Incoming, hiddenPlace: number, output: Uint8Array): void {
    this.#send(step, hiddenPlace, output).catch((error) => {
      this.world.log.debug("Output not pushed", { reason: messageOf(error) });
    });
  }

  async #send({ request, metadata }: Incoming, hiddenPlace: number, output: Uint8Array): Promise<void> {
    const [next] = nextServersOf(metadata);
    if (next === undefined || next.peer === this.rpc.self) return;
    const message = encodeExpertRequest({
      uid: spanUid(this.prefix, next),
      tensors: request.tensors.with(hiddenPlace, output),
      metadata: pushedMetadata(metadata),
    });
    if (message.length > MAX_UNARY_MESSAGE_BYTES) return; // it would never arrive
    if (this.#under >= MAX_OUTGOING_PUSHES || this.#bytes + message.length > MAX_OUTGOING_PUSH_BYTES) return;
    this.#under++;
    this.#bytes += message.length;
    try {
      using deadline = openDeadline(this.world.clock, PUSH_MS, "push an output", this.#closed.signal);
      await this.rpc.callUnary(next.peer, PUSH_METHOD, message, deadline.signal);
    } finally {
      this.#under--;
      this.#bytes -= message.length;
    }
  }

  [Symbol.dispose](): void {
    this.#closed.abort();
  }
}
