/** A real development identity provider on a free port, with the people and workloads that the tests know. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DevelopmentProvider, startDevelopmentProvider } from "../../infra/identity/development.ts";
import { openFlows, type TokenFlows } from "../../infra/identity/oidc.ts";

export const audience = "urn:throughline";
export const clientId = "throughline";

export const users = [
  { login: "ana", name: "Ana", groups: ["analysts"], password: "ana's secret" },
  { login: "olga", name: "Olga", groups: ["data-owners", "responders"], password: "olga's secret" },
  { login: "otto", name: "Otto", groups: ["data-owners"], password: "otto's secret" },
  { login: "ivan", name: "Ivan", groups: ["investigators", "auditors"], password: "ivan's secret" },
  { login: "pia", name: "Pia", groups: ["administrators"], password: "pia's secret" },
];
export const workloads = [
  { id: "extract", name: "extract job", groups: ["pipelines", "data-owners"], secret: "extract-secret-1234567890" },
  { id: "load", name: "load job", groups: ["pipelines", "data-owners"], secret: "load-secret-1234567890" },
];

export interface TestProvider extends DevelopmentProvider {
  readonly folder: string;
  flows(client?: string): Promise<TokenFlows>;
  workloadToken(id: string): Promise<string>;
}

export async function startTestProvider(redirectUris: string[] = [], issuedFor = audience): Promise<TestProvider> {
  const folder = await mkdtemp(join(tmpdir(), "throughline-provider-"));
  const provider = await startDevelopmentProvider({
    folder,
    port: 0,
    development: true,
    audience: issuedFor,
    clientId,
    redirectUris,
    users,
    workloads,
  });
  const flows = (client = clientId): Promise<TokenFlows> =>
    openFlows({ issuer: provider.issuer, clientId: client, audience: issuedFor }, Date.now);
  return {
    folder,
    issuer: provider.issuer,
    flows,
    async workloadToken(id) {
      const secret = workloads.find((workload) => workload.id === id)?.secret ?? "";
      return (await (await flows(id)).workload(secret)).accessToken;
    },
    async close() {
      await provider.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
