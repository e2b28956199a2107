/** A declared pipeline runs every night unasked; whoever has read its declaration gains nothing by it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clean, copy, extract, night, report, rule } from "./night.ts";

function heldFor(answer: { ruling: string; sentence: string }, reason: RegExp): void {
  assert.equal(answer.ruling, "hold");
  assert.match(answer.sentence, reason);
}

describe("a declared pipeline", () => {
  it("is not held while it does what is declared, night after night", () => {
    const { run, ask } = night();
    for (const day of ["", "1d", "2d"]) {
      run(`${extract(`${day}2h`)}\n${copy(`${day}2h5m`)}`);
      assert.equal(ask(clean(`${day}2h10m`)).ruling, "allow");
      run(clean(`${day}2h10m`));
    }
  });

  it("is held without a declaration", () => {
    const { run, ask } = night([]);
    run(`${extract("2h")}\n${copy("2h5m")}`);
    heldFor(ask(clean("2h10m")), /Not exempt as nightly-report: it is not declared\.$/);
  });

  it("exempts only rules that name it", () => {
    const { run, ask } = night([report], rule(""));
    run(`${extract("2h")}\n${copy("2h5m")}`);
    const { ruling, sentence } = ask(clean("2h10m"));
    assert.equal(ruling, "hold");
    assert.doesNotMatch(sentence, /exempt/);
  });

  it("exempts a chain that somebody else's reading would complete, for reading takes nothing away", () => {
    const { run, ask } = night();
    run(`1h eve read orders/public.customers\n${extract("2h")}\n${copy("2h5m")}`);
    assert.equal(ask(clean("2h10m")).ruling, "allow");
  });

  it("may be rolled back and run again in the same window", () => {
    const { run, ask } = night();
    run(
      `${extract("2h")}\n2h report begin identity=svc-report\n${copy("2h1m")}\n2h2m report rollback identity=svc-report`,
    );
    run(copy("2h5m"));
    assert.equal(ask(clean("2h10m")).ruling, "allow");
  });

  it("may commit what is its own", () => {
    const { run, ask } = night();
    run(`${extract("2h")}\n${copy("2h5m")}\n2h6m clean begin identity=svc-clean\n${clean("2h7m")}`);
    assert.equal(ask(`2h8m clean commit identity=svc-clean ${"address=10.2.3.4"}`).ruling, "allow");
  });
});

describe("an insider with the pipeline's account", () => {
  it("is held at another time", () => {
    const { run, ask } = night();
    run(`${extract("2h")}\n${copy("2h5m")}`);
    heldFor(ask(clean("14h")), /Not exempt as nightly-report: outside its schedule, 0 2 \* \* \* UTC for 2h\.$/);
  });

  it("is held when he begins by hand, in the window, with other words", () => {
    const { run, ask } = night();
    run(`${extract("2h", "fingerprint=ffff")}\n${copy("2h5m")}`);
    heldFor(ask(clean("2h10m")), /no run has begun: clean ran it, declared report/);
  });

  it("is held when he puts a statement into a run", () => {
    const { run, ask } = night();
    run(`${extract("2h")}\n${copy("2h5m")}`);
    run(
      "2h6m report transform orders/public.customers -> orders/public.other identity=svc-report fingerprint=bbbb address=10.2.3.4",
    );
    heldFor(
      ask(clean("2h10m")),
      /nightly-report: .*did transform on orders\/public\.customers, orders\/public\.other between/,
    );
  });

  it("is held when he reads what is tagged by its account during a run", () => {
    const { run, ask } = night();
    run(`${extract("2h")}\n${copy("2h5m")}`);
    run("2h6m report read orders/public.customers identity=svc-report fingerprint=dddd address=10.2.3.4");
    heldFor(ask(clean("2h10m")), /nightly-report: report did read on orders\/public\.customers between its steps/);
  });

  it("is held when a step writes elsewhere, and the hold says where", () => {
    const { run, ask } = night();
    run(extract("2h"));
    run(
      "2h5m report transform orders/public.customers -> orders/public.report,orders/public.other identity=svc-report fingerprint=bbbb address=10.2.3.4",
    );
    heldFor(
      ask(clean("2h10m")),
      /nightly-report: step 2 wrote orders\/public\.other, declared orders\/public\.report\.$/,
    );
  });

  it("is held at the step after one that had more rows than declared", () => {
    const { run, ask } = night();
    run(`${extract("2h", "rows=90000")}\n${copy("2h5m")}`);
    heldFor(ask(clean("2h10m")), /nightly-report: step 1 had 90000 rows, declared at most 1000\.$/);
  });

  it("is held at COMMIT when the last step itself had more rows than declared", () => {
    const { run, ask } = night();
    run(`${extract("2h")}\n${copy("2h5m")}\n2h6m clean begin identity=svc-clean\n${clean("2h7m", "rows=90000")}`);
    heldFor(ask("2h8m clean commit identity=svc-clean address=10.2.3.4"), /step 3 had 90000 rows/);
  });

  it("is held at COMMIT of what he put beside the last step", () => {
    const { run, ask } = night();
    run(`${extract("2h")}\n${copy("2h5m")}\n2h6m clean begin identity=svc-clean\n${clean("2h7m")}`);
    run("2h7m clean delete orders/public.customers identity=svc-clean fingerprint=cccc address=10.2.3.4");
    heldFor(
      ask("2h8m clean commit identity=svc-clean address=10.2.3.4"),
      /it commits what is no step of the run|after the last step/,
    );
  });

  it("is held when it runs a second time in one night", () => {
    const { run, ask } = night();
    run(`${extract("2h")}\n${copy("2h5m")}\n${clean("2h10m")}\n${extract("2h20m")}\n${copy("2h25m")}`);
    heldFor(ask(clean("2h30m")), /nightly-report: /);
  });

  it("is held from another address, as another identity, and under another role", () => {
    for (const [more, reason] of [
      ["address=192.168.0.9", /step 3 came from 192\.168\.0\.9:1, declared 10\.2\.0\.0\/16/],
      ["identity=eve", /step 3 was used by eve, declared svc-clean/],
      ["role=admin", /step 3 ran as role admin, declared clean/],
    ] as const) {
      const { run, ask } = night();
      run(`${extract("2h")}\n${copy("2h5m")}`);
      heldFor(ask(clean("2h10m", more)), reason);
    }
  });

  it("is held on behalf of somebody whom nobody declared", () => {
    const { run, ask, entries } = night();
    run(`${extract("2h")}\n${copy("2h5m")}`);
    const before = entries.length;
    ask(clean("2h10m"));
    const intent = entries.slice(before).find(({ type }) => type === "command.intended");
    if (intent?.type !== "command.intended") throw new Error("no intent");
    const other = night();
    other.run(`${extract("2h")}\n${copy("2h5m")}`);
    other.fold({ ...intent, id: "for-eve", subject: { ...intent.subject, onbehalfof: "eve" } });
    const answer = other.outputs.findLast(({ type }) => type === "command.answered");
    if (answer?.type !== "command.answered") throw new Error("no answer");
    heldFor(answer.data, /step 3 acted on behalf of eve/);
  });

  it("is held when steps come out of order, or later than a run may last", () => {
    const first = night();
    first.run(`1h eve read orders/public.customers\n${copy("2h")}\n${extract("2h5m")}`);
    heldFor(first.ask(clean("2h10m")), /nightly-report: step 3 came after step 1, which is out of order\.$/);
    const second = night();
    second.run(`${extract("2h")}\n${copy("2h5m")}`);
    heldFor(second.ask(clean("3h30m")), /the run is older than 1h/);
  });

  it("is held when a command cannot be read", () => {
    const { run, ask } = night();
    run(`${extract("2h")}\n${copy("2h5m")}`);
    heldFor(ask(clean("2h10m", "opaque=true")), /step 3 ran something that cannot be read/);
  });

  it("is held for another's chain that the run would hide", () => {
    const { run, ask } = night();
    run(`1h eve read orders/public.customers\n1h1m mallory transform orders/public.customers -> orders/public.report`);
    run(`${extract("2h")}\n${copy("2h5m")}`);
    heldFor(
      ask(clean("2h10m")),
      /mallory copied .*Not exempt as nightly-report: mallory did transform on .*, which is no step of its run\.$/,
    );
  });

  it("declares nothing in the window that is open", () => {
    const { run, ask, fold, entries } = night([]);
    const changed = entries.findLast((entry) => entry.type === "policy.changed");
    if (changed?.type !== "policy.changed") throw new Error("no policy");
    const files = { ...changed.data.files, "pipelines.yaml": JSON.stringify([report]) };
    const atMs = Date.UTC(2026, 0, 1, 2, 0, 30);
    fold({ ...changed, id: "policy-3", atMs, data: { ...changed.data, digest: "3", files } });
    run(`${extract("2h1m")}\n${copy("2h5m")}`);
    heldFor(ask(clean("2h10m")), /nightly-report: outside its schedule/);
    run(`${extract("4d2h1m")}\n${copy("4d2h5m")}`);
    assert.equal(ask(clean("4d2h10m")).ruling, "allow");
  });
});
