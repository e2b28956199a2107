/** What ties two steps, in the words that the console and the command line show. */
import type { ChainLink } from "./chain.ts";

export const linkWords: Readonly<Record<ChainLink["by"], string>> = {
  flow: "the data went on to",
  lineage: "both carry data of",
  resource: "both touch",
  actor: "the same actor",
  task: "the same task",
  account: "the same account",
  identity: "the same identity",
  trace: "the same trace",
  address: "the same address",
  content: "values that one was shown came back in the other",
};

/** What ties two steps, before its evidence; weak evidence is not said as if it were known. */
export const tieWords = ({ by, strength }: Pick<ChainLink, "by" | "strength">): string =>
  by === "actor" && strength === "weak" ? "perhaps the same actor" : linkWords[by];

/** The same in a sentence: "Tied by the same data." */
export const tiedByWords: Readonly<Record<ChainLink["by"], string>> = {
  flow: "the way of the data",
  lineage: "the same data",
  resource: "the same tables",
  actor: "the same actor",
  task: "the same task",
  account: "the same account",
  identity: "the same identity",
  trace: "the same trace",
  address: "the same address",
  content: "values that one was shown",
};

/** Who says that identities belong together, where no person does. */
export const sayerWords = ({ from }: { readonly from: string }): string =>
  from === "certificate" ? "the certificates they came with" : "the token they came with";

/** What strength means to whoever answers. */
export const strengthWords = {
  strong: "strong evidence",
  weak: "weak evidence: enough to hold, never to block",
} as const;

/** Evidence that is the event which says it, rather than a name or a resource. */
export const isSaid = (evidence: string): boolean => /^(api|gateway)\//.test(evidence);
