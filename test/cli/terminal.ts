/** The command line in a test's hand: what it printed, and a world that does not move by itself. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TokenFlows } from "../../infra/identity/oidc.ts";
import { runCli } from "../../services/cli/cli.ts";
import type { CliParts } from "../../services/cli/parts.ts";

export const t0 = 1_790_000_000_000;

export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Desk {
  readonly folder: string;
  /** Changed by a test before the next run. */
  parts: CliParts;
  readonly waits: number[];
  run(...argv: string[]): Promise<Run>;
  login(url: string): Promise<Run>;
  close(): Promise<void>;
}

const flows: TokenFlows = {
  browser: async (redirectUri) => ({
    url: `http://127.0.0.1:9000/auth?redirect_uri=${redirectUri}`,
    finish: async (callback) => ({
      accessToken: `token-${callback.searchParams.get("code")}`,
      refreshToken: "refresh-1",
      expiresAtMs: t0 + 3_600_000,
    }),
  }),
  device: async () => ({
    url: "http://127.0.0.1:9000/device",
    userCode: "BCDF-GHJK",
    finish: async () => ({ accessToken: "token-device", refreshToken: null, expiresAtMs: t0 + 3_600_000 }),
  }),
  workload: async (secret) => ({ accessToken: `token-${secret}`, refreshToken: null, expiresAtMs: t0 + 3_600_000 }),
  refresh: async () => ({ accessToken: "token-renewed", refreshToken: null, expiresAtMs: t0 + 9_000_000 }),
};

export async function openDesk(): Promise<Desk> {
  const folder = await mkdtemp(join(tmpdir(), "throughline-cli-"));
  const waits: number[] = [];
  const parts: CliParts = {
    version: "0.1.0",
    terminal: { out: () => undefined, err: () => undefined, tty: false, columns: 120 },
    now: () => t0 + 300_000,
    wait: async (ms) => void waits.push(ms),
    fetch: globalThis.fetch,
    openBrowser: () => undefined,
    signal: new AbortController().signal,
    configFolder: join(folder, "config"),
    serviceFile: join(folder, "pg_service.conf"),
    url: null,
    flows: async () => flows,
    offline: {
      testRules: async () => [],
      runRules: async function* () {},
      explainRules: () => Promise.resolve([]),
      replayRules: async () => 0,
      functions: async () => [],
      configCheck: async () => [],
      rebuildStore: async () => 0,
      up: async () => undefined,
    },
  };
  const desk: Desk = {
    folder,
    parts,
    waits,
    async run(...argv) {
      const out: string[] = [];
      const err: string[] = [];
      const terminal = { ...desk.parts.terminal, out: (s: string) => out.push(s), err: (s: string) => err.push(s) };
      const code = await runCli({ ...desk.parts, terminal }, argv);
      return { code, out: out.join("\n"), err: err.join("\n") };
    },
    login: (url) => desk.run("login", "--device", "--url", url),
    close: () => rm(folder, { recursive: true }),
  };
  return desk;
}
