/**
 * Peers that ask for the owner: `POST /api/v1/own-peers`. Short verbs enter the swarm as peers of their own.
 *
 * @module
 */
import { Hono } from "hono";
import * as v from "valibot";
import { NodeError } from "../base/errors.ts";

/** Body of a request. */
export const OWN_PEER = v.strictObject({ peerId: v.pipe(v.string(), v.regex(/^[A-Za-z0-9]{1,96}$/)) });

/** `{"peerId": id}`: a pause, which keeps work for others away, does not count for that peer. */
export function ownPeerRoutes(own: (peerId: string) => void): Hono {
  const app = new Hono();
  app.post("/", async (context) => {
    const asked = v.safeParse(OWN_PEER, await context.req.json().catch(() => undefined));
    if (!asked.success) {
      throw new NodeError("malformed", 'Cannot know the peer: the request names none, wanted {"peerId": ID}');
    }
    own(asked.output.peerId);
    return context.json({ schema: 1 });
  });
  return app;
}
