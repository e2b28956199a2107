/**
 * What every process of the play has: a machine, a disk that stays, and, in each run, the product's own shipper and
 * followers over a simulated spool and simulated brokers. What only opens files in the product is done here instead.
 */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { Entry } from "../../infra/log/entry.ts";
import type { Hole } from "../../infra/log/pack-reader.ts";
import { numberOf } from "../../infra/log/position.ts";
import { SharedAppender } from "../../infra/log/shared-appender.ts";
import { Shipper } from "../../infra/log/shipper.ts";
import { fingerprint, publicKeyOf, publicKeyText } from "../../infra/log/sign.ts";
import type { Source } from "../../infra/log/sources.ts";
import { followSteps, type StepsFollowing } from "../../infra/log/steps-follow.ts";
import { topicsOf } from "../../infra/log/topics.ts";
import type { Role } from "../../schemas/event.ts";
import { type Broker, SimulatedBus } from "./broker.ts";
import type { Bugs } from "./bugs.ts";
import type { Machine } from "./loop.ts";
import type { Network } from "./network.ts";
import { type Disk, Spool } from "./spool.ts";
import type { Truth } from "./truth.ts";

export const tenant = "acme";
export const topics = topicsOf({ tenant, prefix: "t", eventPartitions: 1 });

/** No file can be there: a shipper that starts again has forgotten how far it was, and sends everything once more. */
const nowhere = "/dev/null/shipped";

/** Everything that the processes of one play share. */
export interface Stage {
  readonly seed: number;
  readonly broker: Broker;
  readonly network: Network;
  readonly truth: Truth;
  readonly bugs: Bugs;
}

const keys = new Map<string, { readonly key: KeyObject; readonly source: Source }>();

/** Signing keys, made once for all plays: nothing depends on which they are. */
export function keysOf(source: string): { readonly key: KeyObject; readonly source: Source } {
  let known = keys.get(source);
  if (known === undefined) {
    const { privateKey } = generateKeyPairSync("ed25519");
    const publicKey = publicKeyText(privateKey);
    const role = source.slice(0, source.indexOf("/")) as Role;
    const about = { source, role, publicKey, fingerprint: fingerprint(publicKey), key: publicKeyOf(publicKey) };
    known = { key: privateKey, source: about };
    keys.set(source, known);
  }
  return known;
}

/** One run of a process, from start to crash. */
export class Run {
  readonly spool: Spool;
  readonly shipper: Shipper;
  readonly bus: SimulatedBus;
  readonly name: string;
  readonly #stage: Stage;
  readonly #machine: Machine;

  constructor(stage: Stage, machine: Machine, disk: Disk) {
    const { bugs, network, broker } = stage;
    this.#stage = stage;
    this.#machine = machine;
    this.name = machine.name;
    const dice = network.dice(`disk of ${machine.name}`);
    const skips = bugs.has("shipper-skips") ? 40 : 0;
    this.spool = new Spool({ machine, disk, dice, tenant, early: bugs.has("ships-before-sync"), skips });
    this.bus = new SimulatedBus(machine, broker, network);
    this.shipper = new Shipper({
      spool: this.spool,
      bus: this.bus,
      topics,
      tenant,
      keyOf: (source) => keysOf(source).key,
      file: nowhere,
      appender: this.spool.open("log", machine.name),
      now: machine.now,
      keepSegments: 1,
    });
    machine.go(() => this.shipper.ended);
  }

  shared(role: Role): SharedAppender {
    const local = this.spool.open(role, this.name);
    return new SharedAppender(local, this.spool.lanesOf(local.source), this.shipper);
  }

  follow(
    known: ReadonlyMap<string, Source>,
    deliver: (entries: readonly Entry[], offset: number) => void | Promise<void>,
  ): StepsFollowing {
    const { truth, bugs } = this.#stage;
    const seen = new Set<string>();
    const given = async (entries: readonly Entry[], offset: number) => {
      for (const { id, source, role } of entries) {
        // An output comes once from each correlator; whoever folds takes the first.
        if (seen.has(id) && role !== "correlator") truth.breach(5, `${this.name} was given ${id} of ${source} twice`);
        seen.add(id);
      }
      await deliver(entries, offset);
    };
    const following = followSteps(
      {
        bus: this.bus,
        topics,
        tenant,
        known,
        refused: (source, _type, reason) => truth.breach(5, `${this.name} refused ${source}: ${reason}`),
        holes: ({ source, from, until }: Hole) => truth.breach(6, `${this.name} misses ${source} ${from} to ${until}`),
      },
      async (entries, offset) => {
        await given(entries, offset);
        if (bugs.has("reader-repeats") && offset % 20 === 7) await given(entries, offset);
      },
    );
    this.#machine.go(() => following.ended);
    return following;
  }

  /** As SharedLog.shipped(). */
  async shipped(): Promise<void> {
    const head = await this.spool.head();
    while (head !== null && numberOf(this.shipper.shipped) < numberOf(head)) await this.#machine.sleep(5);
  }
}
