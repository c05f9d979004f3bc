/**
 * The local API: who may call it, and how much.
 *
 * @module
 */
import * as v from "valibot";
import { type ConfigKey, key, listOf, matching, whole } from "./key.ts";

const GIB = 2 ** 30;
const API_KEY = matching(/^[!-+\--~]{1,256}$/, "keys of visible ASCII characters without a comma");
const ORIGIN = matching(
  /^(?:\*|null|[A-Za-z][A-Za-z0-9+.-]*:\/\/[^\s/,?#@]{1,260})$/,
  "origins such as https://chat.example or http://localhost:3000, without a path; or *",
);

/** Settings of `http.*`. */
export const HTTP_KEYS = {
  "http.allowed_hosts": key(
    "list",
    listOf(matching(/^[A-Za-z0-9.-]{1,253}$/, "a host name")),
    [],
    "Host names, besides localhost, by which the local API may be called; where it wants a key, its addresses are names too.",
  ),
  "http.api_keys": {
    ...key(
      "list",
      v.optional(listOf(API_KEY)),
      undefined,
      "Keys, one of which every request must bring; long random texts. Not needed while the API listens on loopback only.",
    ),
    secret: true,
  },
  "http.cors_origins": key(
    "list",
    listOf(ORIGIN),
    [],
    "Origins of web pages, besides the node's own, that may call the local API; * stands for all.",
  ),
  "http.max_body_bytes": key(
    "integer",
    whole(1024, GIB),
    4 * 2 ** 20,
    "Longest request body of the local API.",
    "bytes",
  ),
  "http.max_requests": key(
    "integer",
    v.optional(whole(1, 100_000)),
    undefined,
    "Most requests for text that are let in at once, waiting ones and running streams included; 64 more than text.sessions and text.waiting without it.",
    "requests",
  ),
} as const satisfies Record<string, ConfigKey>;
