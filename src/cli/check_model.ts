/**
 * The models that a node would open: whether they are there, and are models.
 *
 * @module
 */
import { codeOf, messageOf, NodeError } from "../base/errors.ts";
import { counted } from "../base/words.ts";
import { type Check, type CheckContext, type Diagnosis, tellOf } from "./checks.ts";

const tell = tellOf("model");
/** What helps, by the code of the failure. */
const CURES: Readonly<Record<string, string>> = {
  usage: "name a file, a folder, hf:org/name or one that `kwaainet models list` shows (--model)",
  denied:
    "let the user of the node read it; under systemd it may not lie in a home folder (/srv/models is a place)",
  unsupported:
    "take another file of the model, or another model: the README lists families and types of weights",
};
const OTHER_CURE = "fetch it again (kwaainet models verify tells whether one of the store is damaged)";

/** The served or asked model, and the one that guesses. A node that runs has opened its own. */
export const modelCheck: Check = {
  name: "model",
  async run(context, signal) {
    const { node, settings: { config } } = context;
    if (node.state !== "none") return [];
    const draft = config["text.draft_model"];
    return [
      config.model === undefined
        ? tell("info", "none is named (--model): a node would serve nothing and answer nothing")
        : await lookAt(context, config.model, signal),
      ...(draft === undefined ? [] : [await lookAt(context, draft, signal)]),
    ];
  },
};

async function lookAt(
  { lookouts, settings: { config } }: CheckContext,
  name: string,
  signal: AbortSignal,
): Promise<Diagnosis> {
  try {
    const found = await lookouts.model(name, signal);
    if (found === undefined) return tell("info", `${name} is not here yet: the first start fetches it`);
    const last = name === config.model && config.serve ? endOf(config) : 0;
    if (last > found.blocks) {
      const cure = `choose a part of 0:${found.blocks} (--blocks), or leave the choice to the node`;
      return tell(
        "fail",
        `${found.id} has ${found.blocks} blocks, and blocks up to ${last} are asked for`,
        cure,
      );
    }
    return tell("ok", `${found.id} can be opened: ${counted(found.blocks, "block")}`);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof NodeError)) throw error;
    return tell("fail", messageOf(error), CURES[codeOf(error, "corrupt")] ?? OTHER_CURE);
  }
}

/** The end of the blocks that are asked for; 0 where the node chooses. */
const endOf = ({ blocks, end_block: end }: CheckContext["settings"]["config"]): number =>
  blocks === undefined ? end ?? 0 : Number(blocks.split(":")[1]);
