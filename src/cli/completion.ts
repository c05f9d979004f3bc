/**
 * `kwaainet completion bash | zsh | fish`.
 *
 * @module
 */
import { unknownWord } from "./config.ts";
import { COMMON_FLAGS } from "./parse.ts";
import type { Verb } from "./verb.ts";

const SHELLS = { bash, zsh, fish } as const;

/** Prints a script that completes verbs and flags. `verbs` comes late, because this verb is one of them. */
export function completionVerb(verbs: () => readonly Verb[]): Verb {
  return {
    name: "completion",
    summary: "Print a script that completes verbs and flags in a shell",
    words: "bash | zsh | fish",
    wordCount: [1, 1],
    flags: [],
    more: "Such as: source <(kwaainet completion bash)",
    run({ words, output }) {
      const shell = words[0]!;
      if (!Object.hasOwn(SHELLS, shell)) throw unknownWord("completion", shell, Object.keys(SHELLS));
      const shown = verbs().filter((verb) => verb.internal !== true);
      output.line(SHELLS[shell as keyof typeof SHELLS](shown));
      return Promise.resolve(0);
    },
  };
}

const flagsOf = (verb: Verb): string[] => [...verb.flags, ...COMMON_FLAGS].map(({ name }) => `--${name}`);
/** Words that are to be written as they are; what stands for something is in capitals. */
const actionsOf = (verb: Verb): string[] => verb.words.match(/\b[a-z]+\b/g) ?? [];

function bash(verbs: readonly Verb[]): string {
  const cases = verbs.map((verb) =>
    `    ${verb.name}) words="${[...actionsOf(verb), ...flagsOf(verb)].join(" ")}" ;;`
  );
  return `_kwaainet() {
  local words="${verbs.map(({ name }) => name).join(" ")}"
  if [ "$COMP_CWORD" -gt 1 ]; then case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    *) words="" ;;
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _kwaainet kwaainet`;
}

function zsh(verbs: readonly Verb[]): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bash(verbs)}`;
}

function fish(verbs: readonly Verb[]): string {
  return verbs.flatMap((verb) => [
    `complete -c kwaainet -n __fish_use_subcommand -a ${verb.name} -d '${
      verb.summary.replaceAll("'", "\\'")
    }'`,
    ...[...verb.flags, ...COMMON_FLAGS].map((flag) =>
      `complete -c kwaainet -n '__fish_seen_subcommand_from ${verb.name}' -l ${flag.name}${
        flag.kind === "boolean" || flag.ifBare !== undefined ? "" : " -r"
      } -d '${flag.sentence.replaceAll("'", "\\'")}'`
    ),
    ...actionsOf(verb).map((action) =>
      `complete -c kwaainet -f -n '__fish_seen_subcommand_from ${verb.name}' -a ${action}`
    ),
  ]).join("\n");
}
