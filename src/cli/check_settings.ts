/**
 * The settings as a whole: whether a node would start with them.
 *
 * @module
 */
import { messageOf, NodeError } from "../base/errors.ts";
import { planOf } from "../node/plan.ts";
import { VERSION } from "./build_info.ts";
import { type Check, tellOf } from "./checks.ts";

const tell = tellOf("settings");

/** Settings that contradict each other, or that no node takes. One that runs has taken its own. */
export const settingsCheck: Check = {
  name: "settings",
  run({ node, settings: { config, paths } }) {
    if (node.state !== "none") return [];
    try {
      planOf(config, paths, VERSION);
      return [];
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      return [tell(
        "fail",
        messageOf(error),
        "correct it: kwaainet config show tells where each setting comes from",
      )];
    }
  },
};
