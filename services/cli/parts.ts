/**
 * What the command line is given by services/main.ts: the outside world, and the jobs that other rooms do offline.
 *
 * Nothing under services/cli reads the environment, the clock or the terminal by itself, so a test holds the whole
 * program in its hand.
 */
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

/** Tokens as the identity provider gave them; nobody has verified them yet, the API does. */
export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string | null;
  readonly expiresAtMs: number;
}

/** The ways to a token, for one client of one issuer. Each rejects with ThroughlineError `identity.provider`. */
export interface TokenFlows {
  /** Authorization code with PKCE. `finish` takes the whole address the browser came back to; it checks state and nonce. */
  browser(redirectUri: string): Promise<{ readonly url: string; finish(callback: URL): Promise<Tokens> }>;
  /** Device flow: the person opens `url` anywhere and enters `userCode`; `finish` waits for it. */
  device(): Promise<{ readonly url: string; readonly userCode: string; finish(signal: AbortSignal): Promise<Tokens> }>;
  /** Client credentials. */
  workload(clientSecret: string): Promise<Tokens>;
  refresh(refreshToken: string): Promise<Tokens>;
}

export interface TokenClient {
  readonly issuer: string;
  readonly clientId: string;
  /** Asked of the issuer as `resource`, so that the token is for this API alone. */
  readonly audience: string;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly records: number;
  /** Keys that signatures were checked with: source and fingerprint. */
  readonly trusted: readonly string[];
  /** The first record that is missing or changed; null when the export is intact. */
  readonly finding: string | null;
  /** Per source, what came after its last signed head. */
  readonly unsigned: readonly string[];
  /** What no check of this file can tell. */
  readonly cannotKnow: readonly string[];
}

export interface OfflineParts {
  /** @param job.keys texts of public key files that the person trusts */
  readonly verify: (job: {
    readonly lines: AsyncIterable<string>;
    readonly manifest: unknown;
    readonly keys: readonly string[];
  }) => Promise<VerifyReport>;
  /** Runs the inline tests of rule files; none named = all that are shipped. */
  readonly testRules: (files: readonly string[]) => Promise<readonly RuleTestResult[]>;
  /** Evaluates rules over a file of plain events, in log order, then rule order. */
  readonly runRules: (job: {
    readonly rules: readonly string[];
    readonly catalog: string;
    readonly events: string;
    readonly warn: (line: string) => void;
  }) => AsyncIterable<RuleFiring>;
  /** @returns what is wrong with the configuration, `file:line: what`, empty when nothing is. */
  readonly configCheck: (file: string) => Promise<readonly string[]>;
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
  readonly flows: (client: TokenClient) => Promise<TokenFlows>;
  readonly offline: OfflineParts;
}
