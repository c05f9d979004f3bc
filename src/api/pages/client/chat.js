/**
 * A conversation with the model of this node, over the API that every client uses.
 *
 * @module
 */
import { showText } from "./chat_text.js";
import { ask, byId, put } from "./read.js";

/** Where the conversation is kept while the tab lives. */
const KEPT = "kwaainet.conversation";
/** Who reads further up is left there; who is this near to the end sees what comes. */
const NEAR_PX = 48;
/** Most turns that are kept and sent. */
const MAX_TURNS = 40;

/** Begins to talk. */
export async function openChat() {
  const [form, text, send, stop, fresh, log] = ["form", "text", "send", "stop", "new", "log"].map((name) =>
    byId(`chat-${name}`)
  );
  let turns = kept();
  let answering;
  let model;
  const show = () => {
    log.hidden = turns.length === 0;
    log.replaceChildren(...turns.map(turnElement));
    log.scrollTop = log.scrollHeight;
    fresh.disabled = turns.length === 0 || answering !== undefined;
  };
  const setBusy = (controller) => {
    answering = controller;
    send.disabled = model === undefined || controller !== undefined;
    stop.disabled = controller === undefined;
    fresh.disabled = turns.length === 0 || controller !== undefined;
    log.setAttribute("aria-busy", String(controller !== undefined));
  };
  const look = async () => {
    model = (await ask("/v1/models"))?.data?.[0]?.id;
    put(
      "chat-model",
      model === undefined
        ? "No model: this node has none to ask. Start it with one, such as kwaainet start --model smollm2-135m"
        : `Answers come from ${model}.`,
    );
    text.disabled = model === undefined;
    setBusy(answering);
  };
  const talk = async (words) => {
    const controller = new AbortController();
    turns = [...turns, { role: "user", content: words }].slice(-MAX_TURNS);
    const asked = turns.filter(({ role, content }) => role !== "error" && content !== "");
    const turn = { role: "assistant", content: "" };
    show();
    setBusy(controller);
    const element = log.appendChild(turnElement(turn));
    const place = element.lastChild;
    log.scrollTop = log.scrollHeight;
    let thoughts;
    try {
      for await (const { thought, piece, end } of answer(model, asked, controller.signal)) {
        const follows = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX;
        if (thought !== "") {
          turn.thought = (turn.thought ?? "") + thought;
          thoughts ??= element.insertBefore(thoughtElement(), place);
          thoughts.lastChild.data = turn.thought;
        }
        if (end === "length") turn.isCut = true;
        turn.content += piece;
        showText(place, turn.content);
        if (follows) log.scrollTop = log.scrollHeight;
      }
      if (turn.content === "" && !turn.thought) throw new Error("The model ended without a word");
    } catch (error) {
      if (!controller.signal.aborted) turns.push({ role: "error", content: error.message });
    }
    if (turn.content !== "" || turn.thought) {
      turns.splice(turns.at(-1).role === "error" ? -1 : turns.length, 0, turn);
    }
    sessionStorage.setItem(KEPT, JSON.stringify(turns));
    const { scrollTop } = log;
    const isAtEnd = log.scrollHeight - scrollTop - log.clientHeight < NEAR_PX;
    show();
    if (!isAtEnd) log.scrollTop = scrollTop;
    setBusy(undefined);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const words = text.value.trim();
    if (words === "" || answering !== undefined || model === undefined) return;
    text.value = "";
    talk(words);
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  stop.addEventListener("click", () => answering?.abort());
  fresh.addEventListener("click", () => {
    turns = [];
    sessionStorage.removeItem(KEPT);
    show();
    text.focus();
  });
  show();
  await look();
  return { look: () => model === undefined ? look() : undefined };
}

function kept() {
  try {
    const turns = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(turns) ? turns.slice(-MAX_TURNS) : [];
  } catch {
    return [];
  }
}

/** What the model thinks, closed until somebody wants to see it. */
function thoughtElement(text = "") {
  const element = document.createElement("details");
  element.appendChild(document.createElement("summary")).textContent = "Thoughts";
  element.append(document.createTextNode(text));
  return element;
}

function turnElement({ role, content, thought, isCut }) {
  const element = document.createElement("div");
  element.className = role === "error" ? "turn error" : "turn";
  const who = element.appendChild(document.createElement("b"));
  who.textContent = { user: "You", assistant: "Model", error: "No answer" }[role] ?? "";
  if (thought) element.append(thoughtElement(String(thought)));
  const said = document.createElement("div");
  said.className = "said";
  showText(said, String(content));
  element.append(said);
  if (isCut) {
    const note = element.appendChild(document.createElement("p"));
    note.className = "note";
    note.textContent = "Cut here: one answer has no more tokens than that. Ask it to go on.";
  }
  return element;
}

/** Pieces of an answer as they come. Throws in plain words. */
async function* answer(model, turns, signal) {
  const messages = turns.map(({ role, content }) => ({ role, content }));
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages, stream: true }),
    signal,
  });
  if (!response.ok) {
    const body = await response.json().catch(() => undefined);
    throw new Error(body?.error?.message ?? `The node answered with status ${response.status}`);
  }
  for await (const data of eventData(response.body.pipeThrough(new TextDecoderStream()))) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error !== undefined) throw new Error(chunk.error.message ?? "The answer broke off");
    const { delta, finish_reason: end } = chunk.choices?.[0] ?? {};
    const { content: piece, reasoning_content: thought } = delta ?? {};
    if (piece || thought || end) yield { piece: piece ?? "", thought: thought ?? "", end };
  }
}

/** The data of server-sent events. */
async function* eventData(stream) {
  const reader = stream.getReader();
  let rest = "";
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
