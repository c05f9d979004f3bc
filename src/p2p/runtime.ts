/**
 * What differs between Deno versions, found by feature, and made good. Nothing else asks which runtime this is.
 *
 * Deno 2.6.10 lacks, 2.9 has (measured): chacha20-poly1305 in `node:crypto`, without which noise fails on the first
 * message of 1200 bytes; `noDelay` as an option of sockets, without which each small exchange costs 40 ms;
 * `Socket.resetAndDestroy`.
 *
 * @module
 */
import { noise as noiseOf } from "@libp2p/noise";
import { asCrypto, defaultCrypto } from "@libp2p/noise/crypto";
import { getCiphers } from "node:crypto";
import { Server, Socket } from "node:net";

/** Noise with the fastest cipher that works here. */
export function noise(): ReturnType<typeof noiseOf> {
  if (getCiphers().includes("chacha20-poly1305")) return noiseOf();
  const { chaCha20Poly1305Encrypt, chaCha20Poly1305Decrypt } = asCrypto;
  return noiseOf({ crypto: { ...defaultCrypto, chaCha20Poly1305Encrypt, chaCha20Poly1305Decrypt } });
}

/** The parts of `node:net` that are changed. */
interface SocketParts {
  resetAndDestroy?: () => unknown;
  connect: (...args: unknown[]) => unknown;
}
interface ServerParts {
  listen: (...args: unknown[]) => unknown;
}

/** Makes sockets behave as libp2p's TCP transport expects. Does nothing where they do, nor a second time. */
export function mendSockets(): void {
  const socket = Socket.prototype as unknown as SocketParts;
  if (socket.resetAndDestroy !== undefined) return;
  const server = Server.prototype as unknown as ServerParts;
  const { connect } = socket;
  const { listen } = server;
  socket.resetAndDestroy = function (this: Socket) {
    return this.destroy();
  };
  socket.connect = function (this: Socket, ...args) {
    this.once("connect", () => this.setNoDelay(true));
    return connect.apply(this, args);
  };
  server.listen = function (this: Server, ...args) {
    this.prependListener("connection", (accepted: Socket) => accepted.setNoDelay(true));
    return listen.apply(this, args);
  };
}
