/** Standing orders that refuse commands: what is in force, what was, and a form to place one. */
import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import type { BlockInfo, Blocks, Me } from "../../../schemas/api.ts";
import { scopeWords } from "../../../schemas/story.ts";
import { BlockForm } from "./block-form.tsx";
import { useRead, useSay, useTitle } from "./data.ts";
import { StateMark } from "./marks.tsx";
import { Moment } from "./moment.tsx";
import { usePlace } from "./route.tsx";
import { Empty, Failed, PageHead, State } from "./states.tsx";

export function BlocksPage({ me }: { readonly me: Me }) {
  const mayRespond = me.roles.includes("respond");
  useTitle("Blocks");
  const { query } = usePlace();
  const reading = useRead<Blocks>("/api/blocks");
  return (
    <>
      <PageHead
        title="Blocks"
        of={reading}
        about="A block refuses every matching command, in open sessions too, until it ends or is lifted."
      />
      <div className="columns">
        <State of={reading}>
          {({ blocks }) => (
            <section className="panel" aria-label="Blocks">
              {blocks.length === 0 ? (
                <Empty title="No block was ever placed">
                  {mayRespond
                    ? "Place one to stop an identity, an account or a session at once."
                    : "Whoever may respond can stop an identity, an account or a session at once."}
                </Empty>
              ) : (
                <ul className="asks">
                  {blocks.map((block) => (
                    <BlockItem key={block.block} block={block} mayLift={mayRespond} />
                  ))}
                </ul>
              )}
            </section>
          )}
        </State>
        <aside>
          <section className="panel">
            <header>
              <h2>Place a block</h2>
            </header>
            <div className="panel-body">
              {mayRespond ? (
                <BlockForm key={query.toString()} query={query} />
              ) : (
                <p className="quiet">You may look. Placing and lifting needs the permission “respond” in the policy.</p>
              )}
            </div>
          </section>
        </aside>
      </div>
    </>
  );
}

function BlockItem({ block, mayLift }: { readonly block: BlockInfo; readonly mayLift: boolean }) {
  return (
    <li className="ask">
      <div>
        <StateMark state={block.state} /> <span className="scope">{scopeWords(block.scope, block.identityName)}</span>
        <p>{block.reason}</p>
        <p className="quiet">
          {block.by.name}, <Moment ms={block.placedAtMs} show="day" />
          {block.expiresAtMs !== null && block.state === "active" && (
            <>
              , ends <Moment ms={block.expiresAtMs} show="day" />
            </>
          )}
          {block.enforced > 0 && <>, refused {block.enforced.toLocaleString("en-US")}</>}
        </p>
        {block.lifted && (
          <p className="quiet">
            Lifted by {block.lifted.by.name}, <Moment ms={block.lifted.atMs} show="day" />: {block.lifted.reason}
          </p>
        )}
      </div>
      {mayLift && block.state === "active" && <Lift block={block} />}
    </li>
  );
}

function Lift({ block }: { readonly block: BlockInfo }) {
  const [reason, setReason] = useState<string | null>(null);
  const lift = useSay<{ reason: string }>("DELETE", () => `/api/blocks/${encodeURIComponent(block.block)}`);
  if (reason === null)
    return (
      <Button variant="default" size="xs" onClick={() => setReason("")}>
        Lift
      </Button>
    );
  return (
    <form
      className="lift"
      onSubmit={(event) => {
        event.preventDefault();
        lift.say({ reason: reason.trim() });
      }}
    >
      <TextInput
        size="xs"
        aria-label="Reason to lift"
        placeholder="Reason"
        autoFocus
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <Button size="xs" type="submit" disabled={reason.trim() === "" || lift.pending}>
        Lift
      </Button>
      <Button size="xs" variant="subtle" onClick={() => setReason(null)}>
        Keep
      </Button>
      {lift.problem && <Failed problem={lift.problem} />}
    </form>
  );
}
