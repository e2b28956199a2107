/** The frame around every page: who is logged in, where one can go, and how many answers are waited for. */
import { ActionIcon, Button } from "@mantine/core";
import type { Approvals, Me, ProductRole } from "../../../schemas/api.ts";
import { AlertsPageView } from "./alerts-page.tsx";
import { ApprovalPage } from "./approval-page.tsx";
import { ApprovalsPage } from "./approvals-page.tsx";
import { BlocksPage } from "./blocks-page.tsx";
import { ChainPage } from "./chain-page.tsx";
import { ChainsPageView } from "./chains-page.tsx";
import { useMe, useRead, useSay, useTitle } from "./data.ts";
import { useScheme } from "./kit.tsx";
import { PipelinePage } from "./pipeline-page.tsx";
import { PipelinesPage } from "./pipelines-page.tsx";
import { Link, loginHere, usePlace } from "./route.tsx";
import { RulePage } from "./rule-page.tsx";
import { RulesPage } from "./rules-page.tsx";
import { SessionPage } from "./session-page.tsx";
import { SessionsPageView } from "./sessions-page.tsx";
import { Empty, Failed } from "./states.tsx";
import { TimelinePageView } from "./timeline-page.tsx";

/** A page is offered to whoever has one of the roles; none named = to everybody. */
const pages: readonly { readonly noun: string; readonly words: string; readonly roles: readonly ProductRole[] }[] = [
  { noun: "timeline", words: "Timeline", roles: ["investigate"] },
  { noun: "chains", words: "Chains", roles: ["investigate", "approve"] },
  { noun: "approvals", words: "Approvals", roles: [] },
  { noun: "sessions", words: "Sessions", roles: ["investigate"] },
  { noun: "rules", words: "Rules", roles: ["investigate", "respond", "administer"] },
  { noun: "pipelines", words: "Pipelines", roles: ["investigate", "respond", "administer"] },
  { noun: "blocks", words: "Blocks", roles: ["investigate", "respond"] },
  { noun: "alerts", words: "Alerts", roles: ["investigate", "respond"] },
];

export function App() {
  const me = useMe();
  if (me.pending) return null;
  if (me.data === undefined || me.problem?.status === 401)
    return <SignedOut problem={me.problem?.status === 401 ? null : me.problem} />;
  return (
    <div className="frame">
      <a className="skip" href="#page">
        Skip to the page
      </a>
      <Rail me={me.data} />
      <main className="page" id="page">
        <Page me={me.data} />
      </main>
    </div>
  );
}

/** On a phone the pages do not all fit beside each other. */
const intoView = (link: HTMLAnchorElement | null): void => link?.scrollIntoView({ block: "nearest", inline: "center" });

/** Where one lands: approvers who may not investigate have nothing to read on the timeline. */
const homeOf = (me: Me): string => (me.roles.includes("investigate") ? "timeline" : "approvals");

const isOffered =
  (me: Me) =>
  ({ roles }: { readonly roles: readonly ProductRole[] }): boolean =>
    roles.length === 0 || roles.some((role) => me.roles.includes(role));

function Page({ me }: { readonly me: Me }) {
  const { path } = usePlace();
  const [noun = homeOf(me), id] = path;
  switch (noun) {
    case "timeline":
      return <TimelinePageView />;
    case "chains":
      return id ? <ChainPage key={id} id={id} /> : <ChainsPageView />;
    case "approvals":
      return id ? <ApprovalPage key={id} id={id} /> : <ApprovalsPage />;
    case "sessions":
      return id ? <SessionPage key={id} id={id} /> : <SessionsPageView />;
    case "rules":
      return id ? <RulePage key={id} name={id} /> : <RulesPage />;
    case "pipelines":
      return id ? <PipelinePage key={id} id={id} /> : <PipelinesPage />;
    case "blocks":
      return <BlocksPage me={me} />;
    case "alerts":
      return <AlertsPageView me={me} />;
    default:
      return (
        <Empty title="There is no such page" action={<Link to="/timeline">Go to the timeline</Link>}>
          The address may be cut off.
        </Empty>
      );
  }
}

function Rail({ me }: { readonly me: Me }) {
  const { path } = usePlace();
  const open = useRead<Approvals>("/api/approvals", { state: "open" }, me.roles.includes("approve"));
  const waiting = open.data?.approvals.length ?? 0;
  const current = path[0] ?? homeOf(me);
  const leave = useSay<undefined>(
    "POST",
    () => "/logout",
    () => window.location.assign("/"),
  );
  return (
    <header className="rail">
      <Link to="/" className="brand" aria-label="Throughline">
        <Mark />
        <span>Throughline</span>
      </Link>
      <nav aria-label="Pages">
        {pages.filter(isOffered(me)).map(({ noun, words }) => (
          <Link
            key={noun}
            to={`/${noun}`}
            aria-current={current === noun ? "page" : undefined}
            ref={current === noun ? intoView : undefined}
          >
            {words}
            {noun === "approvals" && waiting > 0 && (
              <span className="count">
                {waiting}
                <span className="unseen"> open</span>
              </span>
            )}
          </Link>
        ))}
      </nav>
      <div className="rail-foot">
        <div className="who">
          <strong>{me.identity.name}</strong>
          <button type="button" className="link" onClick={() => leave.say(undefined)}>
            Log out
          </button>
        </div>
        <SchemeTurn />
      </div>
    </header>
  );
}

function SchemeTurn() {
  const { scheme, turn } = useScheme();
  const words = scheme === "dark" ? "Light colours" : "Dark colours";
  return (
    <ActionIcon variant="subtle" color="gray" onClick={turn} aria-label={words} title={words}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" strokeWidth="1.4" />
        <path d="M8 2a6 6 0 0 1 0 12Z" fill="currentColor" />
      </svg>
    </ActionIcon>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
      <path d="M5 3v18M12 3v18M19 3v18" stroke="var(--line-strong)" strokeWidth="1.5" />
      <path d="M5 5c0 5 7 2.5 7 7s7 2 7 7" fill="none" stroke="var(--house)" strokeWidth="2.4" />
      <g fill="var(--house)">
        <circle cx="5" cy="5" r="2.6" />
        <circle cx="12" cy="12" r="2.6" />
        <circle cx="19" cy="19" r="2.6" />
      </g>
    </svg>
  );
}

function SignedOut({ problem }: { readonly problem: Parameters<typeof Failed>[0]["problem"] | null }) {
  useTitle("Log in");
  return (
    <main className="gate">
      <div>
        <Mark />
        <h1>What happened, across accounts</h1>
        <p>
          Timelines, chains and held commands are shown to those whom policy permits. What you read here is recorded
          too.
        </p>
        {problem ? (
          <Failed problem={problem} />
        ) : (
          <Button component="a" href={loginHere()}>
            Log in
          </Button>
        )}
      </div>
    </main>
  );
}
