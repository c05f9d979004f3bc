/**
 * Who this node is: its key, and the peer id made of it.
 *
 * @module
 */
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { codeOf, NodeError } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";

/** A key pair and its peer id. The key goes to `p2p/host` and nowhere else. */
export interface Identity {
  readonly peerId: PeerId;
  readonly type: "Ed25519" | "RSA";
  readonly privateKey: PrivateKey;
}

/** Largest identity file read; RSA-4096 needs 2.4 kB. */
const MAX_FILE_BYTES = 16_384;

/** A fresh Ed25519 identity, kept nowhere. */
export async function createIdentity(): Promise<Identity> {
  return identityOf(await generateKeyPair("Ed25519"));
}

/**
 * Reads the bytes of an identity file: libp2p's `PrivateKey` protobuf, which hivemind's `identity_path` holds too.
 * Throws `NodeError` `corrupt` for anything else, `unsupported` for keys other than Ed25519 and RSA.
 */
export function decodeIdentity(bytes: Uint8Array): Identity {
  let key: PrivateKey;
  try {
    key = privateKeyFromProtobuf(bytes);
  } catch (cause) {
    throw new NodeError(
      "corrupt",
      `Cannot read identity: ${bytes.length} bytes are no libp2p private key, wanted an identity file`,
      { cause },
    );
  }
  return identityOf(key);
}

/** The bytes of an identity file. */
export const encodeIdentity = (identity: Identity): Uint8Array => privateKeyToProtobuf(identity.privateKey);

/** The identity at `path`, or `undefined` where there is no file. Throws as {@linkcode decodeIdentity}, and `denied`. */
export async function readIdentity(path: string): Promise<Identity | undefined> {
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile || size > MAX_FILE_BYTES) {
      const what = isFile ? `it has ${size} bytes` : "it is no file";
      throw new NodeError("corrupt", `Cannot read identity ${path}: ${what}, wanted a key of at most 16 kB`);
    }
    return decodeIdentity(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new NodeError(
        "denied",
        `Cannot read identity ${path}: permission denied, wanted read access for this user`,
        {
          cause: error,
        },
      );
    }
    if (codeOf(error, "busy") !== "corrupt") throw error;
    throw new NodeError(
      "corrupt",
      `Cannot read identity ${path}: it is no libp2p private key; restore it from a backup, or move it away for a new identity`,
      { cause: error },
    );
  }
}

/**
 * The identity at `path`; a fresh one is written there first where there is no file. The file appears whole or not at
 * all, with mode 0600. Throws as {@linkcode readIdentity}.
 */
export async function openIdentity(path: string): Promise<Identity> {
  const kept = await readIdentity(path);
  if (kept !== undefined) return kept;
  const identity = await createIdentity();
  const temporary = `${path}.${Deno.pid}.new`;
  try {
    const file = await Deno.open(temporary, { write: true, create: true, truncate: true, mode: 0o600 });
    try {
      await writeAll(file, encodeIdentity(identity));
      await file.sync();
    } finally {
      file.close();
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    throw new NodeError(
      "denied",
      `Cannot write identity ${path}: permission denied, wanted a writable folder`,
      {
        cause: error,
      },
    );
  }
  return identity;
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

function identityOf(privateKey: PrivateKey): Identity {
  if (privateKey.type !== "Ed25519" && privateKey.type !== "RSA") {
    throw new NodeError("unsupported", `Cannot use a key of type ${privateKey.type}, wanted Ed25519 or RSA`);
  }
  return { peerId: peerIdFromPrivateKey(privateKey).toString(), type: privateKey.type, privateKey };
}
