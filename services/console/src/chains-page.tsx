/** Every chain that was found, newest first: what it is, which accounts it crosses, and what came of it. */
import type { ChainInfo, ChainsPage } from "../../../schemas/api.ts";
import { afterTitle } from "../../../schemas/places.ts";
import { useRead, useTitle } from "./data.ts";
import { StateMark } from "./marks.tsx";
import { Moment } from "./moment.tsx";
import { address, Link } from "./route.tsx";
import { Empty, PageHead, State } from "./states.tsx";

export function ChainsPageView() {
  useTitle("Chains");
  const page = useRead<ChainsPage>("/api/chains", { limit: 200 });
  return (
    <>
      <PageHead
        title="Chains"
        of={page}
        about="Steps that are harmless one by one, found across accounts by the chain rules."
      />
      <State of={page}>
        {({ chains }) => (
          <div className="panel">
            {chains.length === 0 ? (
              <Empty title="No chain was found">
                Nothing has matched a chain rule. To see that the rules would find one, run{" "}
                <code>throughline rules test</code>.
              </Empty>
            ) : (
              <table className="list">
                <thead>
                  <tr>
                    <th>Time</th>
                    <th>State</th>
                    <th>Chain</th>
                    <th>Accounts, in order</th>
                  </tr>
                </thead>
                <tbody>
                  {chains.map((info) => (
                    <ChainRow key={info.event} info={info} />
                  ))}
                </tbody>
              </table>
            )}
          </div>
        )}
      </State>
    </>
  );
}

function ChainRow({ info }: { readonly info: ChainInfo }) {
  return (
    <tr>
      <td>
        <Moment ms={info.atMs} show="day" />
      </td>
      <td>
        <StateMark state={info.state} />
      </td>
      <td>
        <Link className="title" to={address(["chains", info.chain.id])}>
          {info.chain.title}
        </Link>
        <div className="quiet">{afterTitle(info.chain.title, info.chain.sentence)}</div>
      </td>
      <td>
        <AccountPath accounts={info.chain.steps.map((step) => step.account)} />
      </td>
    </tr>
  );
}

/** An account that takes several steps in a row stands once. */
function AccountPath({ accounts }: { readonly accounts: readonly string[] }) {
  const path = accounts.filter((account, i) => account !== accounts[i - 1]);
  return (
    <span className="account-path">
      {path.map((account, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an account may come twice; its place tells it apart
        <span key={i} className="account">
          {account}
        </span>
      ))}
    </span>
  );
}
