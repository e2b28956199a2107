/** What a caller may do with the product, by policy; asked anew on every request. */
import type { Policy, PolicyAnswer } from "../../infra/policy/policy.ts";
import { type ProductRole, productRoles } from "../../schemas/api.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Identity } from "../../schemas/identity.ts";
import type { Caller } from "./route.ts";

const product = "throughline";

export class Permits {
  readonly #policy: () => Policy;
  readonly #now: () => number;

  constructor(policy: () => Policy, now: () => number) {
    this.#policy = policy;
    this.#now = now;
  }

  rolesOf(identity: Identity, address: string): ProductRole[] {
    return productRoles.filter((role) => this.#ask(identity, role, product, address, "", "").ruling === "allow");
  }

  may(caller: Caller, role: ProductRole): boolean {
    return this.#ask(caller.identity, role, product, caller.address, "", "").ruling === "allow";
  }

  /** @throws ThroughlineError `access.denied` unless one of the roles is permitted */
  expect(caller: Caller, ...anyOf: ProductRole[]): void {
    const answers = anyOf.map((role) => this.#ask(caller.identity, role, product, caller.address, "", ""));
    if (answers.some((answer) => answer.ruling === "allow")) return;
    throw new ThroughlineError("access.denied", answers[0]?.sentence ?? "Nothing permits this");
  }

  /** @param task its id */
  connect(caller: Caller, target: string, account: string, task: string): PolicyAnswer {
    return this.#ask(caller.identity, "connect", target, caller.address, account, task);
  }

  #ask(
    identity: Identity,
    action: ProductRole | "connect",
    resource: string,
    clientAddress: string,
    account: string,
    task: string,
  ): PolicyAnswer {
    const minute = Math.floor(this.#now() / 60_000);
    const context = { account, task, minute, clientAddress, approvals: [], opaque: false };
    return this.#policy().ask(identity, action, resource, [], context);
  }
}
