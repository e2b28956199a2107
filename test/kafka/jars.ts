/**
 * The Java archives of a real Kafka, brought once by Maven into a folder that git ignores. Safe when several test files
 * want them at the same time: one brings them, the others wait, and the folder has its name only when it is whole.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { lockFolder } from "../../infra/log/lock.ts";
import { ThroughlineError } from "../../schemas/errors.ts";

const version = "4.1.0";
const install = "apt-get install openjdk-17-jre-headless maven";
const cache = join(import.meta.dirname, "..", "..", "node_modules", ".cache");

const artifacts = [
  ["org.apache.kafka", "kafka_2.13", version],
  ["org.apache.kafka", "kafka-server", version],
  ["org.apache.kafka", "kafka-tools", version],
  ["org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"],
] as const;

function pom(): string {
  const dependencies = artifacts.map(
    ([group, name, number]) =>
      `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${number}</version></dependency>`,
  );
  return `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>throughline</groupId><artifactId>test-broker</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${dependencies.join("\n")}</dependencies></project>`;
}

/** @throws Error with the line that installs Java and Maven */
function needTools(): void {
  for (const tool of ["java", "mvn"]) {
    const found = spawnSync("sh", ["-c", `command -v ${tool}`]);
    if (found.status !== 0) throw new Error(`${tool} is missing. On Debian: ${install}`);
  }
}

function bring(folder: string): void {
  const work = mkdtempSync(join(cache, "kafka-coming-"));
  try {
    writeFileSync(join(work, "pom.xml"), pom());
    const goals = ["-q", "-B", "dependency:copy-dependencies", `-DoutputDirectory=${join(work, "jars")}`];
    execFileSync("mvn", goals, { cwd: work, stdio: ["ignore", "pipe", "pipe"] });
    renameSync(join(work, "jars"), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function lockWhenFree(folder: string): Promise<{ release(): void }> {
  for (;;) {
    try {
      return lockFolder(folder);
    } catch (error) {
      if (!(error instanceof ThroughlineError && error.code === "log.locked")) throw error;
      await pause(200);
    }
  }
}

/** @returns the class path of a Kafka broker; the first call on a machine takes some seconds */
export async function kafkaClassPath(): Promise<string> {
  needTools();
  const folder = join(cache, `kafka-${version}`);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    const lock = await lockWhenFree(join(cache, "kafka-lock"));
    try {
      if (!existsSync(folder)) bring(folder);
    } finally {
      lock.release();
    }
  }
  return join(folder, "*");
}
