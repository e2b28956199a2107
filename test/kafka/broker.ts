/**
 * A real Apache Kafka for tests: one process on loopback that is broker and controller (KRaft), with its own folder and
 * free ports. It can be killed, stopped in its tracks and started again on the same data.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { freePort } from "../../infra/deploy/postgres.ts";
import { makeCertificates } from "./certificates.ts";
import { kafkaClassPath } from "./jars.ts";

export interface Broker {
  /** `127.0.0.1:port`, plain text, no password. */
  readonly address: string;
  /** With `secure`: `localhost:port`, TLS and a password. */
  readonly secureAddress: string;
  /** PEM of the authority to trust there. */
  readonly authority: string;
  readonly pid: number;
  /** As a power cut for the process; waits until it is gone. */
  kill9(): Promise<void>;
  /** SIGSTOP: accepts connections, answers nothing. */
  stop(): void;
  cont(): void;
  /** On the same data and ports; kills first what still runs. */
  restart(): Promise<void>;
  end(): Promise<void>;
}

/** Both mechanisms know it. */
export const secureUser = { username: "throughline", password: "correct horse battery" } as const;

const java = ["-Xmx512m", "-Xms128m", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
const startWaitMsMax = 240_000;

interface Place {
  readonly folder: string;
  readonly classPath: string;
  readonly port: number;
  readonly securePort: number;
  readonly controllerPort: number;
  readonly brokerFile: string;
  readonly doors: readonly Door[];
}

/** A listener for clients that come through a relay, which must hear the relay's address from the broker. */
export interface Door {
  /** The broker's own. */
  readonly port: number;
  /** The relay's, which is advertised. */
  readonly advertised: number;
}

/** @throws Error with the line that installs Java and Maven, or what the broker said instead of starting */
export async function startBroker(
  options: { readonly secure?: boolean; readonly doors?: readonly Door[] } = {},
): Promise<Broker> {
  const classPath = await kafkaClassPath();
  const folder = mkdtempSync(join(tmpdir(), "throughline-kafka-"));
  const kill = (): void => void (running?.exitCode === null && running.kill("SIGKILL"));
  let running: ChildProcess | null = null;
  process.once("exit", kill);
  const [port, securePort, controllerPort] = [await freePort(), await freePort(), await freePort()];
  const certificates = options.secure ? makeCertificates(folder) : { authority: "", brokerFile: "" };
  const { brokerFile } = certificates;
  const { doors = [] } = options;
  const place: Place = { folder, classPath, port, securePort, controllerPort, brokerFile, doors };
  const end = async (): Promise<void> => {
    if (running !== null) await kill9(running);
    process.off("exit", kill);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    format(place);
    running = await run(place);
  } catch (error) {
    await end();
    throw error;
  }
  return {
    address: `127.0.0.1:${port}`,
    secureAddress: `localhost:${securePort}`,
    authority: certificates.authority,
    get pid() {
      return running!.pid!;
    },
    kill9: () => kill9(running!),
    stop: () => void running!.kill("SIGSTOP"),
    cont: () => void running!.kill("SIGCONT"),
    async restart() {
      await kill9(running!);
      running = await run(place);
    },
    end,
  };
}

async function kill9(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

function format(place: Place): void {
  writeFileSync(join(place.folder, "server.properties"), properties(place));
  writeFileSync(join(place.folder, "log4j2.properties"), logging);
  const id = Buffer.from("throughline-test").toString("base64url");
  const tool = ["kafka.tools.StorageTool", "format", "-t", id, "-c", join(place.folder, "server.properties")];
  const user = `[name=${secureUser.username},password=${secureUser.password}]`;
  const users = ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((name) => ["--add-scram", `${name}=${user}`]);
  execFileSync("java", [...java, "-cp", place.classPath, ...tool, ...(place.brokerFile === "" ? [] : users)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
}

async function run(place: Place): Promise<ChildProcess> {
  const settings = `-Dlog4j2.configurationFile=${join(place.folder, "log4j2.properties")}`;
  const main = ["-cp", place.classPath, "kafka.Kafka", join(place.folder, "server.properties")];
  const child = spawn("java", [...java, settings, ...main], { stdio: ["ignore", "pipe", "pipe"] });
  const said: string[] = [];
  const started = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      if (said.push(line) > 200) said.shift();
      if (line.includes("Kafka Server started")) started.resolve();
    });
  const fail = (why: string): void => started.reject(new Error(`Kafka ${why}:\n${said.slice(-20).join("\n")}`));
  child.once("exit", (code, signal) => fail(`ended with ${code ?? signal}`));
  const patience = setTimeout(() => fail("did not start"), startWaitMsMax);
  try {
    await started.promise;
  } catch (error) {
    await kill9(child);
    throw error;
  } finally {
    clearTimeout(patience);
  }
  return child;
}

function properties({ folder, port, securePort, controllerPort, brokerFile, doors }: Place): string {
  const opened = doors.map((door, index) => `,DOOR${index}://127.0.0.1:${door.port}`).join("");
  const advertised = doors.map((door, index) => `,DOOR${index}://127.0.0.1:${door.advertised}`).join("");
  const plain = doors.map((_, index) => `,DOOR${index}:PLAINTEXT`).join("");
  const secure = brokerFile === "" ? "" : `,SECURE://localhost:${securePort}`;
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAIN://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}${secure}${opened}
advertised.listeners=PLAIN://127.0.0.1:${port}${secure}${advertised}
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL${plain}
inter.broker.listener.name=PLAIN
controller.listener.names=CONTROLLER
log.dirs=${join(folder, "data")}
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
num.network.threads=2
num.io.threads=4
num.partitions=1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.cleaner.enable=false
${brokerFile === "" ? "" : security(brokerFile)}`;
}

function security(brokerFile: string): string {
  const { username, password } = secureUser;
  const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required user_${username}="${password}";`;
  const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
  return `ssl.keystore.type=PEM
ssl.keystore.location=${brokerFile}
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=${plain}
listener.name.secure.scram-sha-256.sasl.jaas.config=${scram}
listener.name.secure.scram-sha-512.sasl.jaas.config=${scram}
`;
}

const logging = `rootLogger.level=WARN
rootLogger.appenderRefs=out
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%p %m%n%throwable{3}
logger.started.name=kafka.server
logger.started.level=INFO
`;
