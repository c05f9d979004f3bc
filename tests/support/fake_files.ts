/** Kernel files in memory, which can be changed, refused and broken one by one. */
import { NodeError } from "../../src/base/errors.ts";
import type { HeadFile, NumberFile, ReadFailure, SystemFiles } from "../../src/device/sysfs.ts";

/** `SystemFiles` over a map. Paths are absolute: `/sys/…`, `/proc/…`. */
export class FakeFiles implements SystemFiles {
  readonly #files = new Map<string, string>();
  readonly #links = new Map<string, string>();
  readonly #denied = new Set<string>();
  readonly #failing = new Map<string, ReadFailure[]>();
  /** Files that are open now. */
  opened = 0;
  /** Reads of numbers, by path. */
  readonly reads = new Map<string, number>();

  /** With the lines of a tree (`path = value`, `path -> target`, relative to `/sys`), or its files. */
  constructor(content: string | Readonly<Record<string, string>> = {}) {
    if (typeof content !== "string") {
      for (const [path, text] of Object.entries(content)) this.set(`/sys/${path}`, text);
      return;
    }
    for (const line of content.split("\n").filter((one) => one !== "" && !one.startsWith("#"))) {
      const [, path, kind, value] = line.match(/^(\S+) (=|->) ?(.*)$/)!;
      if (kind === "=") this.set(`/sys/${path}`, value!);
      else this.#links.set(`/sys/${path}`, value!);
    }
  }

  set(path: string, text: string | number | bigint): void {
    this.#files.set(path, `${text}`);
  }

  /** The file, or all under a folder, are gone. */
  remove(path: string): void {
    for (const known of [...this.#files.keys()]) {
      if (known === path || known.startsWith(`${path}/`)) this.#files.delete(known);
    }
  }

  /** It is there, and may not be opened. */
  deny(path: string): void {
    this.#denied.add(path);
  }

  /** Reads fail: forever with one word, or once for each of several. */
  fail(path: string, ...failures: readonly ReadFailure[]): void {
    this.#failing.set(path, [...failures]);
  }

  /** Reads work again. */
  heal(path: string): void {
    this.#failing.delete(path);
  }

  /** All paths. */
  get paths(): readonly string[] {
    return [...this.#files.keys()];
  }

  readText(path: string): string | undefined {
    return this.#denied.has(path) ? undefined : this.#files.get(path)?.trim();
  }

  list(path: string): readonly string[] {
    const names = [...this.#files.keys(), ...this.#links.keys()].filter((known) =>
      known.startsWith(`${path}/`)
    )
      .map((known) => known.slice(path.length + 1).split("/")[0]!);
    return [...new Set(names)].sort();
  }

  state(path: string): "readable" | "absent" | "denied" {
    return this.#denied.has(path) ? "denied" : this.#files.has(path) ? "readable" : "absent";
  }

  link(path: string): string | undefined {
    return this.#links.get(path);
  }

  openNumber(path: string): NumberFile {
    this.#open(path);
    const read = (): bigint | ReadFailure => {
      this.reads.set(path, (this.reads.get(path) ?? 0) + 1);
      const failing = this.#failing.get(path);
      if (failing !== undefined && failing.length > 0) {
        return failing.length === 1 ? failing[0]! : failing.shift()!;
      }
      const text = this.#files.get(path);
      if (text === undefined) return "gone";
      return /^\s*-?\d{1,20}\s*$/.test(text) ? BigInt(text.trim()) : "malformed";
    };
    let failure: ReadFailure | undefined;
    return {
      read() {
        const value = read();
        failure = typeof value === "bigint" ? undefined : value;
        return typeof value === "bigint" ? value : undefined;
      },
      get failure() {
        return failure;
      },
      [Symbol.dispose]: () => void this.opened--,
    };
  }

  openHead(path: string, bytes: number): HeadFile {
    this.#open(path);
    return {
      read: () => this.#files.get(path)?.slice(0, bytes),
      [Symbol.dispose]: () => void this.opened--,
    };
  }

  #open(path: string): void {
    const state = this.state(path);
    if (state === "readable") {
      this.opened++;
      return;
    }
    const [code, words] = state === "denied"
      ? ["denied", "permission denied"] as const
      : ["not_found", "it is not there"] as const;
    throw new NodeError(code, `Cannot read ${path}: ${words}, wanted a readable file`);
  }
}
