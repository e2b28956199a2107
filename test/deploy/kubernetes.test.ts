/** The manifests: against Kubernetes' own schemas, and against the configuration that they hand to the pods. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../infra/config.ts";
import { makeMembers, sourcesIn } from "../../infra/keys/members.ts";
import { readPolicyFiles } from "../../services/main-policy.ts";
import { documentsOf, faults, rolesOfMany, root, wordsOf } from "./files.ts";

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Container {
  readonly args: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: Record<string, unknown>;
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly subPathExpr?: string;
  }[];
  readonly resources: { readonly requests: { readonly memory: string }; readonly limits: { readonly memory: string } };
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
}

interface Item {
  readonly key: string;
  readonly path: string;
}

interface Items {
  readonly secretName: string;
  readonly defaultMode: number;
  readonly items?: readonly Item[];
}

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: Record<string, unknown>;
  readonly automountServiceAccountToken: boolean;
  readonly containers: readonly [Container];
  readonly volumes: readonly {
    readonly name: string;
    readonly secret?: Items;
    readonly configMap?: { readonly name: string };
  }[];
}

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: {
    readonly replicas: number;
    readonly serviceName: string;
    readonly selector: { readonly matchLabels?: Record<string, string>; readonly [label: string]: unknown };
    readonly template: { readonly metadata: { readonly labels: Record<string, string> }; readonly spec: Pod };
    readonly ports: readonly { readonly targetPort: string }[];
    readonly podSelector: { readonly matchLabels?: Record<string, string> };
    readonly ingress: readonly { readonly from?: readonly Record<string, { matchLabels: Record<string, string> }>[] }[];
    readonly volumeClaimTemplates: readonly { readonly metadata: { readonly name: string } }[];
  };
}

const folder = "infra/deploy/kubernetes";
const kustomization = documentsOf<{ resources: string[]; configMapGenerator: { name: string; files: string[] }[] }>(
  `${folder}/kustomization.yaml`,
)[0]!;
const secrets = documentsOf<{ namespace: string; secretGenerator: { name: string; files: string[] }[] }>(
  `${folder}/secrets/kustomization.yaml`,
)[0]!;
const manifests = kustomization.resources.flatMap((file) => documentsOf<Manifest>(`${folder}/${file}`));
const sets = manifests.filter(({ kind }) => kind === "StatefulSet");
const config = await loadConfig(join(root, folder, "throughline.yaml"));
const rolesOf = (set: Manifest) => wordsOf(set.spec.template.spec.containers[0].args).roles;

const definitions: Record<string, string> = {
  "v1 Namespace": "io.k8s.api.core.v1.Namespace",
  "v1 Service": "io.k8s.api.core.v1.Service",
  "v1 ServiceAccount": "io.k8s.api.core.v1.ServiceAccount",
  "apps/v1 StatefulSet": "io.k8s.api.apps.v1.StatefulSet",
  "policy/v1 PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
  "networking.k8s.io/v1 NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
};

test("every manifest is what Kubernetes says it must be", () => {
  assert.ok(manifests.length > 10);
  for (const manifest of manifests) {
    const definition = definitions[`${manifest.apiVersion} ${manifest.kind}`];
    assert.ok(definition, `${manifest.apiVersion} ${manifest.kind}`);
    const found = faults("kubernetes.schema.json", `#/definitions/${definition}`, manifest);
    assert.deepEqual(found, [], `${manifest.kind} ${manifest.metadata.name}`);
  }
  const wrong = { ...sets[0], spec: { ...sets[0]!.spec, replica: 2 } };
  assert.notDeepEqual(faults("kubernetes.schema.json", "#/definitions/io.k8s.api.apps.v1.StatefulSet", wrong), []);
});

test("each set runs roles that belong together, under the pod's own name; projector and api once", () => {
  assert.deepEqual(sets.map(rolesOf).toSorted(), rolesOfMany.toSorted());
  for (const set of sets) {
    const [container] = set.spec.template.spec.containers;
    const { option } = wordsOf(container.args);
    assert.equal(option("--name"), "$(POD_NAME)");
    assert.equal(option("--config"), "/etc/throughline/throughline.yaml");
    assert.match(`${set.metadata.name}-0`, /^[a-z][a-z0-9-]*$/);
    assert.equal(set.spec.replicas === 1, rolesOf(set) === "projector api");
    assert.ok(manifests.some(({ kind, metadata }) => kind === "Service" && metadata.name === set.spec.serviceName));
  }
});

test("the configuration and the policy load", async () => {
  await readPolicyFiles({ ...config, rules: join(root, "schemas/rules") });
  assert.equal(config.rules, "/opt/throughline/schemas/rules");
  assert.deepEqual(kustomization.configMapGenerator[0]?.files.toSorted(), [
    "catalog.yaml",
    "policy.cedar",
    "throughline.yaml",
  ]);
});

test("probes and services name ports that the container has, and these are the configuration's", () => {
  const portOf = (address = "") => Number(address.slice(address.lastIndexOf(":") + 1));
  const expected: Record<string, number> = {
    operations: portOf(config.operations?.listen),
    postgres: portOf(config.gateway.postgres),
    http: portOf(config.api.listen),
  };
  for (const set of sets) {
    const [container] = set.spec.template.spec.containers;
    for (const { name, containerPort } of container.ports) assert.equal(containerPort, expected[name], name);
    const names = container.ports.map(({ name }) => name);
    const probes = { startupProbe: "/livez", livenessProbe: "/livez", readinessProbe: "/readyz" } as const;
    for (const [probe, path] of Object.entries(probes)) {
      const { httpGet } = container[probe as keyof typeof probes];
      assert.equal(httpGet.path, path);
      assert.ok(names.includes(httpGet.port));
    }
    const services = manifests.filter(
      ({ kind, spec }) => kind === "Service" && spec.selector["app.kubernetes.io/component"] === set.metadata.name,
    );
    assert.ok(services.length > 0);
    for (const { spec } of services) for (const { targetPort } of spec.ports) assert.ok(names.includes(targetPort));
  }
});

test("pods are given longer to end than they drain, and memory under which their heap fits", () => {
  for (const set of sets) {
    const { terminationGracePeriodSeconds, containers } = set.spec.template.spec;
    const drain = rolesOf(set) === "gateway" ? (config.operations?.drainSeconds ?? 10) : 0;
    const before = containers[0].lifecycle?.preStop.sleep.seconds ?? 0;
    assert.ok(terminationGracePeriodSeconds >= drain + before + 30, set.metadata.name);
    const heap = Number(/--max-old-space-size=(\d+)/.exec(containers[0].env[1]?.value ?? "")?.[1]);
    assert.ok(
      heap > 0 && heap < Number.parseInt(containers[0].resources.limits.memory, 10) * 1024 * 0.85,
      set.metadata.name,
    );
  }
});

test("pods run without root, without capabilities, without a token, and write to their volume only", () => {
  for (const { spec } of sets) {
    const pod = spec.template.spec;
    assert.equal(pod.securityContext.runAsNonRoot, true);
    assert.equal(pod.automountServiceAccountToken, false);
    assert.deepEqual(pod.containers[0].securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    assert.deepEqual(
      spec.volumeClaimTemplates.map(({ metadata }) => metadata.name),
      ["data"],
    );
    const data = pod.containers[0].volumeMounts.find(({ name }) => name === "data");
    assert.equal(data?.mountPath, config.data);
  }
});

/** The Secrets that a set mounts, with the keys that are there: file name → path in the repository's `secrets/`. */
const made = new Map(
  secrets.secretGenerator.map(({ name, files }) => [
    name,
    new Map(files.map((file) => [file.split("/").at(-1) ?? "", file])),
  ]),
);

test("each role is given the keys that `throughline sources init` makes for it, and no others", async () => {
  const place = mkdtempSync(join(tmpdir(), "throughline-kubernetes-"));
  try {
    const members = sets.flatMap((set) =>
      Array.from({ length: set.spec.replicas }, (_, index) => ({
        name: `${set.metadata.name}-${index}`,
        roles: rolesOf(set).split(" ") as ("gateway" | "correlator" | "projector" | "api")[],
      })),
    );
    await makeMembers(join(place, "keys"), config.tenant, members);
    for (const set of sets) {
      const volume = set.spec.template.spec.volumes.find(({ name }) => name === "keys")?.secret;
      assert.equal(volume?.defaultMode, 0o440);
      const mount = set.spec.template.spec.containers[0].volumeMounts.find(({ name }) => name === "keys");
      assert.equal(mount?.subPathExpr, "$(POD_NAME)");
      assert.equal(mount?.mountPath, config.privateKeys);
      for (const member of members.filter(({ name }) => name.startsWith(`${set.metadata.name}-`))) {
        const inPod: Item[] = (volume?.items ?? []).filter((item) => item.path.startsWith(`${member.name}/`));
        const names = inPod.map((item) => item.path.split("/")[1] ?? "").toSorted();
        assert.deepEqual(names, readdirSync(join(place, "keys", member.name)).toSorted(), member.name);
        for (const source of sourcesIn(member)) assert.ok(names.includes(`${source.replace("/", "-")}.pem`));
        for (const { key, path } of inPod) {
          assert.equal(key, path.split("/")[1]);
          assert.ok(made.get(volume?.secretName ?? "")?.has(key), `${volume?.secretName} has no ${key}`);
        }
      }
      for (const file of made.get(volume?.secretName ?? "")?.values() ?? []) {
        const text = readdirSync(join(place, join(file, ".."))).includes(file.split("/").at(-1) ?? "");
        assert.ok(text, `init makes no ${file}`);
      }
    }
  } finally {
    rmSync(place, { recursive: true });
  }
});

test("every secret file of the configuration is in a Secret that the roles which read it mount", () => {
  const needs: Record<string, string[]> = {
    gateway: [
      config.sources,
      config.log?.kafka.tls?.caFile,
      config.log?.kafka.sasl?.passwordFile,
      config.blobs?.s3?.accessKeyFile,
      config.gateway.tls?.certFile,
      config.gateway.tls?.keyFile,
      ...config.targets.flatMap(({ caFile, accounts }) => [
        caFile,
        ...Object.values(accounts).map(({ passwordFile }) => passwordFile),
      ]),
    ].map(String),
    correlator: [config.sources, config.log?.kafka.tls?.caFile, config.log?.kafka.sasl?.passwordFile].map(String),
    "projector api": [
      config.sources,
      config.log?.kafka.sasl?.passwordFile,
      config.blobs?.s3?.secretKeyFile,
      config.store?.server?.passwordFile,
      config.store?.server?.caFile,
    ].map(String),
  };
  for (const set of sets) {
    const { volumes, containers } = set.spec.template.spec;
    for (const file of needs[rolesOf(set)] ?? []) {
      const mount = containers[0].volumeMounts.find(({ mountPath }) => file.startsWith(`${mountPath}/`));
      const secret = volumes.find(({ name }) => name === mount?.name)?.secret?.secretName ?? "";
      assert.ok(made.get(secret)?.has(file.slice((mount?.mountPath.length ?? 0) + 1)), `${set.metadata.name}: ${file}`);
    }
  }
  const correlator = sets.find((set) => rolesOf(set) === "correlator");
  const names = correlator?.spec.template.spec.volumes.map(({ name }) => name) ?? [];
  for (const name of ["targets", "timelines", "objects", "tls"]) assert.equal(names.includes(name), false, name);
});

test("what is not named is refused, and a target takes connections from gateways alone", () => {
  const policies = manifests.filter(({ kind }) => kind === "NetworkPolicy");
  const nobody = policies.find(({ spec }) => Object.keys(spec.podSelector).length === 0);
  assert.equal(nobody?.metadata.namespace, "throughline");
  const target = policies.find(({ metadata }) => metadata.namespace !== "throughline");
  assert.equal(target?.metadata.namespace, config.targets[0]?.address.split(".")[1]);
  const [from] = target?.spec.ingress[0]?.from ?? [];
  const gateway = sets.find((set) => rolesOf(set) === "gateway");
  assert.equal(target?.spec.ingress.length, 1);
  assert.equal(target?.spec.ingress[0]?.from?.length, 1);
  const [label, value] = Object.entries(from?.podSelector?.matchLabels ?? {})[0] ?? [];
  assert.equal(gateway?.spec.template.metadata.labels[label ?? ""], value);
  assert.equal(from?.namespaceSelector?.matchLabels["kubernetes.io/metadata.name"], gateway?.metadata.namespace);
});
