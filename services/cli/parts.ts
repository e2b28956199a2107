/**
 * What the command line is given by services/main.ts: the outside world, and the jobs that other rooms do offline.
 *
 * Nothing under services/cli reads the environment, the clock or the terminal by itself, so a test holds the whole
 * program in its hand.
 */
import type { TokenClient, TokenFlows } from "../../infra/identity/oidc.ts";
import type { ChainEvidence } from "../../schemas/chain.ts";

export interface Terminal {
  /** One line to standard output. */
  readonly out: (line: string) => void;
  /** One line to standard error: errors, hints, progress. Never data. */
  readonly err: (line: string) => void;
  /** Colours and fitted columns; false when the output goes to a file or a pipe. */
  readonly tty: boolean;
  /** Width to fit tables into, for a tty. */
  readonly columns: number;
}

export interface RuleTestResult {
  /** `rule file: test name`, as people find it again. */
  readonly name: string;
  readonly ok: boolean;
  /** What was expected and what came, when it failed. */
  readonly finding: string;
}

/** One firing as DETECTION §7 prints it; written as it is, one JSON line each. */
export interface RuleFiring {
  readonly rule: string;
  readonly event: string;
  readonly action: string;
  readonly chain: readonly string[];
}

/** What a rule would have found at one command. */
export interface RuleCompletion {
  readonly atMs: number;
  /** Id of the event that completes the chain, and of its command. */
  readonly event: string;
  readonly command: string;
  readonly identity: string;
  readonly account: string;
  readonly chain: Pick<ChainEvidence, "rule" | "action" | "sentence"> & {
    /** Null where it was not asked. */
    readonly strength: ChainEvidence["strength"] | null;
    readonly steps: readonly { readonly event: string; readonly account: string }[];
  };
}

/** Positions are the log's own texts: digits. */
export interface RebuildProgress {
  readonly records: number;
  readonly at: string;
  readonly of: string;
}

export interface OfflineParts {
  /**
   * Runs the inline tests of rule files or folders; none named = all that are shipped. Rules that these name are looked for
   * beside them too; `warn` says what was left out there, when one is missing.
   */
  readonly testRules: (files: readonly string[], warn: (line: string) => void) => Promise<readonly RuleTestResult[]>;
  /** Evaluates rules over a file of plain events, in log order, then rule order. */
  readonly runRules: (job: {
    readonly rules: readonly string[];
    readonly catalog: string;
    /** Declared pipelines; null = nothing is exempt. */
    readonly pipelines: string | null;
    readonly events: string;
    readonly warn: (line: string) => void;
  }) => AsyncIterable<RuleFiring>;
  /** Rules in words; with events, why they fire at one of them or what they miss. */
  readonly explainRules: (job: {
    readonly rules: readonly string[];
    readonly rule: string | null;
    readonly at: {
      readonly catalog: string | null;
      readonly pipelines: string | null;
      readonly events: string;
      readonly event: string;
    } | null;
    readonly warn: (line: string) => void;
  }) => Promise<readonly string[]>;
  /** Rules that may not have been in force, over the whole log or, by SQL, the store. @returns how many records were folded */
  readonly replayRules: (job: {
    readonly file: string;
    /** Rule files or folders; none = those of the configuration. */
    readonly rules: readonly string[];
    readonly sinceMs: number;
    readonly sql: boolean;
    readonly tell: (completed: RuleCompletion) => void;
    readonly complain: (what: string) => void;
  }) => Promise<number>;
  /** Functions that could be described; `why` = why not. @param target null = of all targets of the configuration */
  readonly functions: (
    file: string,
    target: string | null,
  ) => Promise<readonly { readonly function: string; readonly digest: string; readonly why: string | null }[]>;
  /** @returns what is wrong with the configuration, `file:line: what`, empty when nothing is. */
  readonly configCheck: (file: string) => Promise<readonly string[]>;
  /** Empties the store and fills it from the log. @returns how many records were written */
  readonly rebuildStore: (job: {
    readonly file: string;
    readonly progress: (progress: RebuildProgress) => void;
    readonly complain: (what: string) => void;
  }) => Promise<number>;
  /** Starts every role on this machine; resolves when it has stopped. */
  readonly up: (file: string) => Promise<void>;
}

export interface CliParts {
  readonly version: string;
  readonly terminal: Terminal;
  readonly now: () => number;
  readonly wait: (ms: number) => Promise<void>;
  readonly fetch: typeof globalThis.fetch;
  /** Opens a page in the person's browser; failing to is no error, the address is printed too. */
  readonly openBrowser: (url: string) => void;
  /** Ends what runs: `timeline --follow` stops when it is aborted (Ctrl-C). */
  readonly signal: AbortSignal;
  /** `$XDG_CONFIG_HOME/throughline`: sessions and pass files, 0600 each. */
  readonly configFolder: string;
  /** Where psql looks for its services by default: `~/.pg_service.conf`, or `$PGSERVICEFILE`. */
  readonly serviceFile: string;
  /** `$THROUGHLINE_URL`, or null. */
  readonly url: string | null;
  /** `openFlows` of infra/identity/oidc.ts, with the clock. */
  readonly flows: (client: TokenClient) => Promise<TokenFlows>;
  readonly offline: OfflineParts;
}
