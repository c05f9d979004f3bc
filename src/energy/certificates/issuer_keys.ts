/**
 * Issuers' signatures on bundles. No registry is known to publish a form for them, so this one is ours: the field
 * `issuer_signature` over the canonical JSON (RFC 8785) of all other fields, by a key that the operator has set.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { NodeError } from "../../base/errors.ts";
import { canonicalBytes } from "./sign.ts";
import type { CertificateBundle } from "./types.ts";
import type { Voucher } from "./verify.ts";

/** Public keys by the name of the issuing body. */
export type IssuerKeys = ReadonlyMap<string, KeyObject>;

/**
 * Keys out of settings `ISSUER=KEY`, `KEY` being a SubjectPublicKeyInfo in base64: what stands between the lines of a PEM
 * file. Throws `NodeError` `usage` for what is no Ed25519 or RSA key.
 */
export function readIssuerKeys(settings: readonly string[]): IssuerKeys {
  return new Map(settings.map((setting): [string, KeyObject] => {
    const at = setting.indexOf("=");
    const issuer = setting.slice(0, at);
    return [issuer, readKey(issuer, setting.slice(at + 1))];
  }));
}

function readKey(issuer: string, base64: string): KeyObject {
  const wanted = "wanted an Ed25519 or RSA public key: SubjectPublicKeyInfo in base64, as in a PEM file";
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(base64, "base64"), format: "der", type: "spki" });
  } catch (cause) {
    throw new NodeError("usage", `Cannot use the key of ${issuer}: it is none, ${wanted}`, { cause });
  }
  if (key.asymmetricKeyType === "ed25519" || key.asymmetricKeyType === "rsa") return key;
  throw new NodeError("usage", `Cannot use the key of ${issuer}: it is ${key.asymmetricKeyType}, ${wanted}`);
}

/** Whether the issuer that a bundle names has signed it. Only what it signed counts: also its zone must stand inside. */
export function vouchByKey(bundle: CertificateBundle, keys: IssuerKeys): Voucher {
  if (keys.size === 0) return { by: undefined, why: "no issuer's key is set and no registry was asked" };
  const { signature, raw, statedZone } = bundle;
  if (signature === undefined) return { by: undefined, why: "it carries no signature of its issuer" };
  const issuer = typeof raw["issuing_body"] === "string" ? raw["issuing_body"] : "";
  const key = keys.get(issuer);
  if (key === undefined) {
    return { by: undefined, why: "its issuer's key is not set (certificates.issuer_keys)" };
  }
  if (!isSigned(key, raw, signature)) {
    return { by: undefined, why: "its issuer's signature is wrong", against: true };
  }
  return { by: `key:${issuer}`, zone: statedZone };
}

function isSigned(key: KeyObject, raw: Readonly<Record<string, unknown>>, signature: string): boolean {
  const { issuer_signature: _, ...signed } = raw;
  const digest = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  try {
    return verify(digest, canonicalBytes(signed), key, Buffer.from(signature, "base64"));
  } catch {
    // what cannot be a signature of this key is none
    return false;
  }
}
