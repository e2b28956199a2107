/** Every bound of the product, each with its reason. Units last. Tests may pass smaller ones; nothing else changes them. */
export const limits = {
  /** CloudEvents asks intermediaries for 64 KiB; ours leaves room for the envelope. Larger payloads go to Blobs. */
  eventBytesMax: 60 * 1024,
  /** A startup packet is a few options; PostgreSQL itself refuses over 10,000 bytes. */
  startupBytesMax: 10_000,
  /** A password message is a SCRAM message or a token. */
  passwordBytesMax: 64 * 1024,
  /** From accept to a finished login; a silent client must not hold a slot longer. */
  loginWaitMsMax: 15_000,
  /** From telling a session to end until its sockets are destroyed: time for a last message. */
  endingWaitMsMax: 2_000,
  /** Connections that have not logged in yet, over all addresses. */
  loginsPendingMax: 512,
  /** Failed logins per address and minute before the address waits. */
  loginFailuresPerMinuteMax: 30,
  /** PostgreSQL's own limit on a message is 1 GiB. */
  messageBytesMax: 0x3fffffff,
  /** A message that must be read whole (a statement) before it is judged; larger is refused with 54000. */
  statementBytesMax: 64 * 1024 * 1024,
  /** Over this a text is not parsed but opaque: parser time and memory grow with it. */
  parsedTextBytesMax: 1024 * 1024,
  /** Depth of a parse tree before it is opaque. */
  parsedDepthMax: 500,
  /** Bytes kept for a slow reader on either side before the other is paused. */
  wireBufferBytesMax: 1024 * 1024,
  /** Result bytes waiting for a record's sync, per session, before the target is paused. */
  withheldBytesMax: 4 * 1024 * 1024,
  /** A hold inside a transaction keeps locks; after this it turns into retry. */
  holdInTransactionMsMax: 30_000,
  /** How long an approval can be answered or, once answered, used. */
  approvalMsMax: 15 * 60_000,
  /** Held commands per identity at once; beyond, block (approvers tire). */
  holdsPerIdentityMax: 20,
  /** How long an intent may wait for its answer before the rule's `unavailable` decides. */
  gateWaitMsMax: 2_000,
  /** A feed older than this makes what rules guard unavailable. */
  feedStaleMsMax: 5_000,
  /** How much longer than that a silent gateway counts as alive: it may still act on what it knew. */
  gatewayGoneMarginMs: 1_000,
  /** A Grant's longest life. */
  grantMsMax: 12 * 3_600_000,
  /** Open Grants of one identity: a job may run hundreds of pieces at once; more hides which must be revoked. */
  grantsPerIdentityMax: 500,
  /** A newly issued Grant may reach the gateway's feed this much after the client. */
  grantWaitMsMax: 2_000,
  /** Distinct texts whose reading is kept, per target. */
  readingsCachedMax: 10_000,
  /** Letters of all texts whose reading is kept, per target: few long texts must not cost what many short ones may. */
  readingsCachedTextMax: 32 * 1024 * 1024,
  /** Effects are never by reference: over this they widen to the schema, then to opaque. */
  effectResourcesMax: 256,
  /** One segment of the embedded log. */
  segmentBytesMax: 256 * 1024 * 1024,
  /** Kept free for finishes, answers and the disk-full event. */
  reservedBytes: 4 * 1024 * 1024,
  /** Longest time between two signed heads of a source. */
  checkpointMsMax: 100,
  /** Records between two digests of the correlator's state. */
  digestRecordsEvery: 10_000,
  /** A jump of the log's time over this is an alert. */
  clockJumpMsMax: 60_000,
  /** Origins kept per resource; beyond, it keeps the tagged ones and says so. */
  originsPerResourceMax: 1_024,
  /** Records between two looks at what has left every window. */
  sweepRecordsEvery: 1_024,
  /** Places looked at by one walk along flows; beyond, order and ends are left out: too much rather than too little. Tens of milliseconds. */
  lineageLooksMax: 100_000,
  /** New flows after which older history is put in short: of each place only from where something had come. */
  flowsSettledEvery: 4_096,
  /** New flows after which that happens though something older is still open: then a rollback of that leaves its tags. */
  flowsOpenMax: 200_000,
  /** Step events kept for chains; the causing identity's oldest goes first. */
  stepsKeptMax: 1_000_000,
  /** Of these, the ones asked for latest, which are kept as they are; the others are packed until somebody asks. */
  stepsWarmMax: 16_384,
  /** Of what is folded while new rules fold the log: the latest, by which the two meet. */
  refoldRecentMax: 20_000,
  /** New rules that are behind by no more take the rest in one go: some tens of milliseconds. */
  refoldJoinMax: 1_000,
  /** After new rules took over, other replicas may still say what the old ones gave before: no alert for so long, by the log's time. */
  switchGraceMs: 60_000,
  /** Values of one result or statement whose hashes are kept: of more, those of lowest keyed order. 16 KiB in an event. */
  contentHashesMax: 2_048,
  /** Different values that tie what was brought to what was shown; fewer are chance. */
  contentSharedMin: 3,
  /** What was shown is looked for in what comes in for so long, if hashes and keys are kept: a month's window. */
  contentKeptMs: 31 * 86_400_000,
  /** A key of sketches serves so long: what comes in is hashed under the four or five that are alive. */
  contentEpochMs: 10 * 86_400_000,
  /** Hashes of what was shown that a gateway keeps, over all identities; who showed most loses his own oldest. */
  contentKeptMax: 1_000_000,
  /** What an identity brings one row at a time is counted together while it pauses no longer than this. */
  contentPauseMsMax: 3_600_000,
  /** Objects inside objects of a plain event. */
  plainDepthMax: 32,
  /** Different fields of one plain event. */
  plainFieldsMax: 10_000,
  /** One rule file; a hundred thousand rules are a few dozen of these. */
  ruleFileBytesMax: 4 * 1024 * 1024,
  /** Documents in all rule files together: some ten seconds to read. */
  rulesMax: 100_000,
  /** One value of a detection; nobody writes more, and every event is compared with it. */
  ruleTextMax: 8_192,
  /** `*`, `?` and dashes that windash exchanges, in one value: each may be tried at every letter of an event's text. */
  ruleWildcardsMax: 100,
  /** One regular expression, before it is compiled. */
  ruleExpressionMax: 2_048,
  /** What it is compiled to; each letter of a text may be compared with all of it. The largest of SigmaHQ's rules has 1,003. */
  patternStepsMax: 2_000,
  /** Texts that one value stands for, once each dash of it may be any of five. */
  dashVariantsMax: 625,
  /** Predicates of one detection: a list of every customer is a lookup, not a rule. */
  rulePredicatesMax: 20_000,
  /** Candidates looked at for one question over all rules; beyond, a gate answers hold. Some tens of milliseconds. */
  chainLooksMax: 200_000,
  /** Steps that a rule may write; nobody writes more. */
  ruleStepsMax: 10,
  /** Events of one chain, with steps that must happen several times; an event that tells of a chain has a size. */
  chainEventsMax: 50,
  /** Chains that one condition over rules may stand for. */
  ruleWaysMax: 256,
  /** Correlations inside one another. */
  ruleDepthMax: 10,
  /** Counted events that are named with a firing: the latest. A count may be of millions. */
  countedNamedMax: 1_000,
  /** Commands that one finish may show to complete a count, its own and later ones; more, and it says that there may be more. */
  lateFiringsMax: 100,
  /** Commands of which is remembered that a rule over late fields was told, by rule; beyond, one may be told again. */
  lateToldKeptMax: 100_000,
  /** A replay of a rule that somebody starts in the api: how far back, how long it may take, what is kept of what it finds. */
  replayDaysMax: 90,
  replayMsMax: 30 * 60_000,
  replayFoundMax: 5_000,
  /** Replays that are remembered; the oldest go first. */
  replaysKeptMax: 20,
  /** Memory of the thread that folds it, MiB; beyond, the replay fails and nothing else does. */
  replayMemoryMib: 2_048,
  /** Steps that `rules run` keeps: what matches inside the longest window. More is an error: to drop one would be a wrong answer. */
  plainStepsKeptMax: 4_000_000,
  /** One line of a file of plain events, characters. */
  plainLineCharsMax: 16_777_216,
  /** Declared pipelines, and steps of one: what one person can answer for. */
  pipelinesMax: 1_000,
  pipelineStepsMax: 50,
  /** A pipeline's window, and its longest run. */
  pipelineWindowMsMax: 24 * 3_600_000,
  /** Approvals of the same chain after which a pipeline is proposed, and again after as many more. */
  pipelineProposedAfter: 3,
  /** Chains that were held and may be approved, and kinds of chains that were: the oldest go first. */
  proposalsKeptMax: 1_000,
  /** Commands by a pipeline's accounts inside one window: all are looked at for each question; beyond, nothing is exempt. */
  pipelineCommandsMax: 10_000,
  /** Identities from one client address beyond which it ties nobody: an office, a bastion. */
  addressIdentitiesMax: 6,
  /** Identities remembered of one address. */
  addressIdentitiesKeptMax: 64,
  /** Client addresses of which it is remembered who came from there. */
  addressesKeptMax: 10_000,
  /** Actors that may hold one key (of a client certificate) and be one actor; beyond, a key is shared and ties weakly. */
  keyActorsMax: 6,
  /** Identities remembered of one key. */
  keyIdentitiesKeptMax: 64,
  /** Keys that tie nobody, of one identity: with an hourly new one, almost three days. The one shown longest ago goes first. */
  keysPerIdentityMax: 64,
  /** Keys of all identities; beyond, what ties nobody and was shown longest ago goes first. Some tens of MiB. */
  keysKeptMax: 100_000,
  /** Functions that a catalog may describe, and resources in one list of a description. */
  summariesMax: 10_000,
  summaryResourcesMax: 1_000,
  /** Policy, catalog and rules together, as text: every process holds and compiles them. */
  policyBytesMax: 16 * 1024 * 1024,
  /** Records that one policy may be packed into, of 48 KiB each. */
  policyPartsMax: 256,
  /** A blob is held in memory whole; a sealed segment of the log is half of this. */
  blobBytesMax: 512 * 1024 * 1024,
  /** One request to the object storage, until its answer begins; a session that opens waits for it. */
  objectAnswerMsMax: 5_000,
  /** Slower than this, bytes to or from the object storage count as stopped. */
  objectBytesPerSecondMin: 1024 * 1024,
  /** With the pauses between them, half a minute at most. */
  objectAttemptsMax: 4,
  /** How long a session key may be used after it was read: an erasure holds everywhere after this. */
  keyCachedMsMax: 5_000,
  /** Session keys kept in memory by one process for that long. */
  keysCachedMax: 1_024,
  /** One question of a hunt over the store; who asks more narrows the rule or the time. */
  huntSecondsMax: 600,
} as const;

export type Limits = { readonly [K in keyof typeof limits]: number };
