/** docker-compose.yml as far as it can be checked without containers; compose.kafka.test.ts runs what it says. */
import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../infra/config.ts";
import { readPolicyFiles } from "../../services/main-policy.ts";
import { compose, documentsOf, faults, mountsOf, networksOf, rolesOfMany, root, textOf, wordsOf } from "./files.ts";

const { services, networks, volumes } = compose();
const all = Object.entries(services);
const ours = all.filter(([, { image, restart }]) => image === "throughline:local" && restart !== "no");
const configFile = join(root, "infra/deploy/docker/throughline.yaml");
const config = await loadConfig(configFile);

test("it is a compose file, and every image is pinned", () => {
  assert.deepEqual(faults("compose.schema.json", "", documentsOf("docker-compose.yml")[0]), []);
  assert.notDeepEqual(faults("compose.schema.json", "", { services: { one: { imagee: "x" } } }), []);
  for (const [name, { image = "" }] of all)
    assert.match(image, /^(throughline:local|[a-z./-]+:\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?)$/, name);
});

test("two gateways, two correlators, one projector with api: commands that main.ts takes, each under its own name", () => {
  const roles = ours.map(([name, { command = [] }]) => {
    const words = wordsOf(command);
    assert.ok(rolesOfMany.includes(words.roles), `${name}: ${words.roles}`);
    assert.equal(words.option("--name"), name);
    assert.equal(words.option("--config"), "/etc/throughline/throughline.yaml");
    return words.roles;
  });
  assert.deepEqual(roles.toSorted(), ["correlator", "correlator", "gateway", "gateway", "projector api"]);
});

test("the configuration loads, and what it names is mounted where it says", async () => {
  await readPolicyFiles({
    policy: join(root, "infra/deploy/demo/policy.cedar"),
    catalog: join(root, "infra/deploy/demo/catalog.yaml"),
    rules: join(root, "schemas/rules"),
  });
  const inside = (path: string) => path.replace(join(root, "infra/deploy/docker"), "/etc/throughline");
  for (const [name, service] of ours) {
    const targets = mountsOf(service).map(({ to }) => to);
    for (const path of [config.policy, config.catalog, config.rules, config.data].map(inside))
      assert.ok(targets.includes(path), `${name} has no ${path}`);
    assert.ok(targets.includes("/etc/throughline/secrets"), name);
    for (const path of [config.sources, config.privateKeys])
      assert.match(inside(path ?? ""), /^\/etc\/throughline\/secrets\//);
  }
});

test("every mounted file is in the repository, every volume is declared and used, and only data is written", () => {
  const used = new Set<string>();
  for (const [name, service] of all)
    for (const { from, to, readOnly } of mountsOf(service)) {
      if (from.startsWith("./")) assert.ok(existsSync(join(root, from)), `${name}: ${from}`);
      else {
        used.add(from);
        assert.ok(from in volumes, `${name}: ${from}`);
      }
      if (name !== "init") assert.equal(readOnly, !from.startsWith("data-"), `${name}: ${from} on ${to}`);
    }
  assert.deepEqual([...used].toSorted(), Object.keys(volumes).toSorted());
  assert.ok(statSync(join(root, "infra/deploy/docker/init.ts")).isFile());
});

test("a volume of secrets is mounted by the one container it is for, and the tenant's trust by init alone", () => {
  const holders = new Map<string, string[]>();
  for (const [name, service] of all)
    for (const { from } of mountsOf(service))
      if (name !== "init") holders.set(from, [...(holders.get(from) ?? []), name]);
  assert.equal(holders.has("trust"), false);
  for (const name of Object.keys(volumes).filter((one) => one !== "trust")) {
    assert.equal(holders.get(name)?.length, 1, name);
    assert.match(name, new RegExp(`^(secrets|data)-${holders.get(name)?.[0]}$`));
  }
  assert.equal(services.init?.network_mode, "none");
});

test("ports and addresses of the configuration are those of the services", () => {
  const portOf = (address: string) => address.slice(address.lastIndexOf(":") + 1);
  const published = (name: string) => services[name]?.ports?.map((port) => port.split(":").at(-1)) ?? [];
  for (const name of ["gw1", "gw2"]) assert.deepEqual(published(name), [portOf(config.gateway.postgres)]);
  assert.deepEqual(published("p1"), [portOf(config.api.listen)]);
  assert.ok(services.p1?.ports?.includes(`127.0.0.1:${new URL(config.api.url).port}:${portOf(config.api.listen)}`));
  assert.deepEqual(config.log?.kafka.brokers, ["kafka:9092"]);
  assert.equal(services.kafka?.environment?.KAFKA_ADVERTISED_LISTENERS, "PLAINTEXT://kafka:9092");
  assert.equal(services.identity?.environment?.KC_HOSTNAME, new URL(config.identity.issuer).origin);
  assert.equal(services.identity?.environment?.KC_HTTP_PORT, new URL(config.identity.issuer).port);
  assert.ok(services.objects?.command?.includes(`-s3.port=${new URL(config.blobs?.s3?.endpoint ?? "").port}`));
  assert.ok(new URL(config.store?.server?.url ?? "").hostname in services);
  assert.ok((config.targets[0]?.address.split(":")[0] ?? "") in services);
  for (const [name, { ports = [] }] of all)
    for (const port of ports) assert.ok(port.startsWith("127.0.0.1:"), `${name} publishes ${port} beyond this machine`);
});

test("health is asked where operations listen, and stopping is given longer than draining", () => {
  const listens = config.operations?.listen ?? "";
  for (const [name, { healthcheck, stop_grace_period = "" }] of ours) {
    assert.ok(healthcheck?.test?.at(-1)?.includes(`http://${listens}/readyz`), name);
    assert.ok(Number.parseInt(stop_grace_period, 10) >= (config.operations?.drainSeconds ?? 10) + 20, name);
  }
  assert.ok(textOf("infra/deploy/docker/Dockerfile").includes(`http://${listens}/readyz`));
  for (const [name, { healthcheck, restart }] of all) if (restart !== "no") assert.ok(healthcheck?.test, name);
});

test("ours run as nobody in particular on a file system they cannot write", () => {
  for (const [name, service] of ours) {
    assert.equal(service.user, "1000:1000", name);
    assert.equal(service.read_only, true, name);
    assert.deepEqual(service.cap_drop, ["ALL"], name);
    assert.deepEqual(service.security_opt, ["no-new-privileges:true"], name);
    assert.equal(service.restart, "unless-stopped", name);
  }
  const file = textOf("infra/deploy/docker/Dockerfile");
  assert.match(file, /^USER 1000:1000$/m);
  const { engines } = JSON.parse(textOf("package.json")) as { engines: { node: string } };
  assert.equal(engines.node, ">=24 <25");
  const pinned = (JSON.parse(textOf("package.json")) as { dependencies: { node: string } }).dependencies.node;
  for (const [, version] of file.matchAll(/^FROM node:([0-9.]+)-/gm)) assert.equal(version, pinned);
});

test("only gateways share a network with the target; what has no TLS stands in networks without a way out", () => {
  const members = (network: string) =>
    all.filter(([, service]) => networksOf(service).includes(network)).map(([name]) => name);
  assert.deepEqual(members("targets").toSorted(), ["gw1", "gw2", "orders"]);
  assert.deepEqual(members("timelines").toSorted(), ["p1", "timelines"]);
  for (const name of ["log", "objects", "timelines", "targets"]) assert.equal(networks[name]?.internal, true, name);
  for (const name of ["kafka", "objects", "timelines", "orders"])
    assert.equal(networksOf(services[name]!).includes("edge"), false);
});

test("no password stands in the files", () => {
  for (const path of [
    "docker-compose.yml",
    "infra/deploy/docker/throughline.yaml",
    "infra/deploy/docker/Dockerfile",
    "infra/deploy/docker/orders.sql",
  ]) {
    assert.doesNotMatch(
      textOf(path),
      /(password|secret|token)["']?\s*[:=]\s*["']?[A-Za-z0-9+/_-]{12,}["']?\s*$/im,
      path,
    );
    assert.doesNotMatch(textOf(path), /-----BEGIN|whsec_|PASSWORD '[^']/, path);
  }
  for (const [name, { environment = {} }] of all)
    for (const key of Object.keys(environment))
      if (/PASSWORD|SECRET/.test(key)) assert.match(key, /_FILE$/, `${name}: ${key}`);
});
