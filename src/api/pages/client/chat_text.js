/**
 * What is said in a conversation, with its blocks of code.
 *
 * @module
 */
import { put } from "./read.js";

/**
 * Text and fenced code in turn, as models write it (CommonMark §4.5): what stands at even places is text, at odd ones code.
 * A block that is still being written is open to its end.
 */
export function textParts(text) {
  const parts = [""];
  let fence;
  for (const line of text.split(/(?<=\n)/)) {
    const [, mark, info] = line.match(/^\s*(`{3,}|~{3,})([^`\n]*)\n?$/) ?? [];
    const opens = mark !== undefined && fence === undefined;
    const closes = mark !== undefined && fence !== undefined && mark.startsWith(fence) && info.trim() === "";
    if (opens || closes) {
      fence = opens ? mark : undefined;
      parts.push("");
    } else parts.push(parts.pop() + line);
  }
  // the lines around a block belong to neither side
  return parts.map((part, place) => {
    const start = place % 2 === 0 && place > 0 ? part.replace(/^\n+/, "") : part;
    return place === parts.length - 1 ? start : start.replace(place % 2 === 0 ? /\n+$/ : /\n$/, "");
  });
}

/** Shows `text` in `root`; what is there already stays, so that it can be selected while more comes. */
export function showText(root, text) {
  const parts = textParts(text);
  while (root.children.length > parts.length) root.lastChild.remove();
  parts.forEach((part, place) => {
    const isCode = place % 2 === 1;
    const element = root.children[place] ?? root.appendChild(isCode ? codeElement() : textElement());
    put(element, part);
  });
}

const textElement = () => document.createElement("span");

/** Wide code is scrolled, with keys too. */
function codeElement() {
  const element = document.createElement("pre");
  element.tabIndex = 0;
  return element;
}
