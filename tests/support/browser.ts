/** A headless Chromium, spoken to by its DevTools protocol; absent where none is installed. */

/** Longest wait for anything. */
const PATIENCE_MS = 30_000;

/** What a page did. */
export interface PageRecord {
  /** URLs it asked for, `data:` left out. */
  readonly requests: string[];
  /** Warnings, errors and exceptions of its console. */
  readonly complaints: string[];
}

/** An open page. */
export interface Page extends PageRecord {
  /** The value of an expression, awaited. */
  evaluate<T>(expression: string): Promise<T>;
  /** Waits until the expression is true. */
  until(expression: string): Promise<void>;
  send(method: string, params?: object): Promise<Record<string, unknown>>;
  /** Goes to `url`, and waits until it is loaded. */
  go(url: string): Promise<void>;
  screenshot(path: string): Promise<void>;
}

/** How a page is seen. */
export interface View {
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
  readonly script?: boolean;
}

/** Where Chromium is; `undefined` where there is none. */
export function findChromium(): string | undefined {
  const names = [
    Deno.env.get("KWAAI_CHROMIUM"),
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
  ];
  return names.find((path) => {
    try {
      return path !== undefined && Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** A running browser. */
export class Browser implements AsyncDisposable {
  readonly #waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  readonly #heard = new Map<string, (method: string, params: Record<string, unknown>) => void>();
  #lastId = 0;

  private constructor(
    readonly child: Deno.ChildProcess,
    readonly socket: WebSocket,
    readonly profile: string,
  ) {
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
  }

  static async open(path: string): Promise<Browser> {
    const profile = await Deno.makeTempDir({ prefix: "kwaainet-chromium-" });
    const child = new Deno.Command(path, {
      args: [
        ...["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"],
        ...[
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
          "--disable-extensions",
        ],
        ...["--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const socket = new WebSocket(await debuggerUrl(child.stderr));
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    return new Browser(child, socket, profile);
  }

  /** Opens `url` in a tab of its own, in a profile of its own. */
  async page(url: string, view: View): Promise<Page> {
    const { browserContextId } = await this.#send("Target.createBrowserContext");
    const { targetId } = await this.#send("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await this.#send("Target.attachToTarget", { targetId, flatten: true });
    const send = (method: string, params: object = {}) => this.#send(method, params, sessionId as string);
    const record = { requests: [], complaints: [], loaded: () => {} };
    this.#heard.set(sessionId as string, (method, params) => note(record, method, params));
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await send(`${domain}.enable`);
    await send("Emulation.setDeviceMetricsOverride", {
      width: view.width,
      height: view.height,
      deviceScaleFactor: 1,
      mobile: view.width < 600,
    });
    const value = view.dark ? "dark" : "light";
    await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
    if (view.script === false) await send("Emulation.setScriptExecutionDisabled", { value: true });
    const page = makePage(send, record);
    await page.go(url);
    return page;
  }

  #send(method: string, params?: object, sessionId?: string): Promise<Record<string, unknown>> {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(id, answer);
    this.socket.send(JSON.stringify({ id, method, params: params ?? {}, sessionId }));
    return answer.promise;
  }

  // deno-lint-ignore no-explicit-any -- the protocol's own shapes
  #take({ id, result, error, sessionId, method, params }: any): void {
    if (id === undefined) return this.#heard.get(sessionId)?.(method, params);
    const answer = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) answer?.resolve(result);
    else answer?.reject(new Error(`${error.message} ${error.data ?? ""}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.socket.onclose = resolve);
    this.#send("Browser.close").catch(() => {});
    const timer = setTimeout(() => this.child.kill("SIGKILL"), PATIENCE_MS);
    await this.child.status;
    clearTimeout(timer);
    await closed;
    await Deno.remove(this.profile, { recursive: true }).catch(() => {});
  }
}

/** A record, and who waits for the page. */
type Noted = PageRecord & { loaded: () => void };

function makePage(send: Page["send"], record: Noted): Page {
  const evaluate = async <T>(expression: string): Promise<T> => {
    const options = { expression, awaitPromise: true, returnByValue: true };
    // deno-lint-ignore no-explicit-any -- the protocol's own shapes
    const { result, exceptionDetails }: any = await send("Runtime.evaluate", options);
    if (exceptionDetails !== undefined) {
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    }
    return result.value;
  };
  return {
    ...record,
    send,
    evaluate,
    async go(url) {
      const loaded = new Promise<void>((resolve) => record.loaded = resolve);
      await send("Page.navigate", { url });
      await loaded;
    },
    async until(expression) {
      for (const end = performance.now() + PATIENCE_MS; performance.now() < end;) {
        if (await evaluate<boolean>(`Boolean(${expression})`)) return;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      throw new Error(
        `the page never came to: ${expression}; it complained ${JSON.stringify(record.complaints)}`,
      );
    },
    async screenshot(path) {
      const { data } = await send("Page.captureScreenshot", { captureBeyondViewport: true });
      await Deno.writeFile(path, Uint8Array.fromBase64(data as string));
    },
  };
}

// deno-lint-ignore no-explicit-any -- the protocol's own shapes
function note({ requests, complaints, loaded }: Noted, method: string, params: any): void {
  if (method === "Page.loadEventFired") loaded();
  if (method === "Network.requestWillBeSent" && !params.request.url.startsWith("data:")) {
    requests.push(params.request.url);
  }
  if (method === "Runtime.exceptionThrown") {
    complaints.push(params.exceptionDetails.exception?.description ?? "");
  }
  if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) {
    complaints.push(JSON.stringify(params.args));
  }
  if (method === "Log.entryAdded" && ["error", "warning"].includes(params.entry.level)) {
    complaints.push(`${params.entry.text} ${params.entry.url ?? ""}`);
  }
}

/** The address that the browser writes to stderr; the rest of it is read and forgotten. */
function debuggerUrl(stderr: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  const found = Promise.withResolvers<string>();
  (async () => {
    let text = "";
    for await (const part of stderr.pipeThrough(new TextDecoderStream())) {
      text = (text + part).slice(-20_000);
      const url = text.match(/ws:\/\/127\.0\.0\.1:\d+\/\S+/)?.[0];
      if (url !== undefined) found.resolve(url);
    }
    found.reject(new Error(`the browser did not start: ${text}`));
  })();
  return found.promise;
}
