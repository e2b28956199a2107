/**
 * What docker-compose.yml starts first: makes the keys of every process and the passwords of everything else, each into
 * the folder (a volume) that only the container it is for will see. What is there already stays, so it may run again.
 *
 *     node init.ts OUT make        OUT/trust  OUT/gw1 …  OUT/orders  OUT/timelines  OUT/objects  OUT/identity
 *     node init.ts OUT passwords   who may log in, and how
 *
 * As root it hands each folder to the user that its container runs as; otherwise everything stays its caller's. It needs
 * no network and says no secret unless it is asked for the passwords.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Member, makeMembers } from "../../keys/members.ts";
import { createFile } from "../../log/durable-file.ts";
import { jobs, people, realmText } from "./realm.ts";

const tenant = "demo";
const members: readonly Member[] = [
  { name: "gw1", roles: ["gateway"] },
  { name: "gw2", roles: ["gateway"] },
  { name: "c1", roles: ["correlator"] },
  { name: "c2", roles: ["correlator"] },
  { name: "p1", roles: ["projector", "api"] },
];
const accounts = ["extract", "transform", "load", "analyst", "catalog"];
const bucket = "throughline";
/** The users of the images: ours and Keycloak's are 1000, PostgreSQL's 999, ClickHouse's 101; SeaweedFS starts as root. */
const users = { ours: 1000, orders: 999, timelines: 101, objects: 0, identity: 1000 };

const [out = "", what = ""] = process.argv.slice(2);
if (out === "" || !["make", "passwords"].includes(what)) {
  console.error("init.ts OUT make|passwords");
  process.exit(64);
}
if (what === "make") await makeAll(out);
else showPasswords(out);

async function makeAll(folder: string): Promise<void> {
  const trust = join(folder, "trust");
  mkdirSync(trust, { recursive: true, mode: 0o700 });
  if (!existsSync(join(trust, "sources.json"))) await makeMembers(trust, tenant, members);
  makeOrders(join(folder, "orders"));
  makeTimelines(join(folder, "timelines"), kept(join(trust, "timelines"), secret));
  const access = { key: kept(join(trust, "access-key"), () => randomBytes(10).toString("hex")), secret: "" };
  access.secret = kept(join(trust, "secret-key"), secret);
  makeObjects(join(folder, "objects"), access);
  makeIdentity(join(folder, "identity"), "http://localhost:8080");
  for (const member of members) handOut(folder, member);
  if (process.getuid?.() !== 0) return;
  for (const { name } of members) give(join(folder, name), users.ours);
  for (const name of ["orders", "timelines", "objects", "identity"] as const) give(join(folder, name), users[name]);
}

/** To one process: the registry, its own keys, and the passwords of what its roles reach. */
function handOut(folder: string, { name, roles }: Member): void {
  const [trust, own] = [join(folder, "trust"), join(folder, name)];
  const copy = (from: string, to: string) => {
    mkdirSync(join(to, ".."), { recursive: true, mode: 0o700 });
    copyFileSync(from, to);
    chmodSync(to, 0o600);
  };
  copy(join(trust, "sources.json"), join(own, "sources.json"));
  for (const file of readdirSync(join(trust, name))) copy(join(trust, name, file), join(own, "keys", file));
  const isGateway = roles.includes("gateway");
  const isStore = roles.includes("projector");
  if (isGateway) for (const account of accounts) copy(join(folder, "orders", account), join(own, "targets", account));
  if (isStore) copy(join(trust, "timelines"), join(own, "timelines", "password"));
  if (isGateway || isStore)
    for (const file of ["access-key", "secret-key"]) copy(join(trust, file), join(own, "objects", file));
}

function makeOrders(folder: string): void {
  for (const name of ["superuser", ...accounts]) kept(join(folder, name), secret);
}

/** The one user of the server, with no rights outside the tenant's database; the image's user without a password goes. */
function makeTimelines(folder: string, password: string): void {
  const hash = createHash("sha256").update(password).digest("hex");
  const rights = "SELECT, INSERT, ALTER, CREATE, DROP, TRUNCATE, OPTIMIZE, SHOW";
  const text = `<clickhouse>
  <users>
    <default remove="remove"/>
    <throughline>
      <password_sha256_hex>${hash}</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT ${rights} ON throughline_${tenant}.*</query>
        <query>GRANT SHOW ON default.*</query>
      </grants>
    </throughline>
  </users>
</clickhouse>
`;
  kept(join(folder, "throughline.xml"), () => text);
}

function makeObjects(folder: string, access: { readonly key: string; readonly secret: string }): void {
  const credentials = [{ accessKey: access.key, secretKey: access.secret }];
  const actions = ["Read", "Write", "List"].map((action) => `${action}:${bucket}`);
  const text = JSON.stringify({ identities: [{ name: "throughline", credentials, actions }] }, null, 2);
  kept(join(folder, "s3.json"), () => `${text}\n`);
}

function makeIdentity(folder: string, address: string): void {
  const names = [...people.map(({ login }) => login), ...jobs];
  const each = (make: () => string) => Object.fromEntries(names.map((name) => [name, make()]));
  kept(join(folder, "throughline-realm.json"), () =>
    realmText({ console: address, passwords: each(secret), ids: each(randomUUID) }),
  );
}

function showPasswords(folder: string): void {
  const realm = JSON.parse(readFileSync(join(folder, "identity", "throughline-realm.json"), "utf8")) as {
    users: { username: string; credentials?: { value: string }[] }[];
    clients: { clientId: string; secret?: string }[];
  };
  for (const { username, credentials } of realm.users)
    if (credentials?.[0]) console.log(`person  ${username.padEnd(10)} ${credentials[0].value}`);
  for (const { clientId, secret: value } of realm.clients)
    if (value !== undefined) console.log(`job     ${clientId.padEnd(10)} ${value}`);
}

function secret(): string {
  return randomBytes(24).toString("base64url");
}

/** The file's text; made where it is missing. */
function kept(file: string, make: () => string): string {
  mkdirSync(join(file, ".."), { recursive: true, mode: 0o700 });
  if (!existsSync(file)) createFile(file, make());
  return readFileSync(file, "utf8");
}

/** To a user, who alone may read it. */
function give(folder: string, user: number): void {
  chownSync(folder, user, user);
  chmodSync(folder, 0o700);
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true }))
    chownSync(join(entry.parentPath, entry.name), user, user);
}
