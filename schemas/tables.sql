-- The store: what timelines are read from. All of it can be built again from the log; nothing here decides anything.
-- Statements are separated by a line that holds only two dashes. `position` is the log's own text of it, which orders
-- as the log does. Events are replaced by position, so that writing the same records again changes nothing.
-- This is what a new database gets; infra/store/tables.ts brings an older one here and makes the tables replicated where
-- a cluster is configured. A row leaves on the day `delete_on`, which its retention class set when it was written.
-- Small granules: a timeline's rows lie far apart, and each costs one granule of each column that is read. So readers take
-- one column, `event`: the envelope as the log has it; the others are for conditions. `data` is of rows that version 1
-- wrote, from which `event` follows. Inserts are synced, as the log is.

-- Which changes of this schema the database has.
CREATE TABLE IF NOT EXISTS migrations
(
  number UInt32,
  name   String,
  at     DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(at)
ORDER BY number
--
-- Whose store it is (`tenant`), and whether it is being filled again (`rebuild`).
CREATE TABLE IF NOT EXISTS store_state
(
  name  String,
  value String,
  at    DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(at)
ORDER BY name
--
CREATE TABLE IF NOT EXISTS events
(
  position       String CODEC(LZ4),
  id             String CODEC(ZSTD(1)),
  at             DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  tenant         LowCardinality(String),
  type           LowCardinality(String),
  source         LowCardinality(String),
  stream         LowCardinality(String),
  sequence       UInt64 CODEC(DoubleDelta, ZSTD(1)),
  session        String CODEC(ZSTD(1)),
  command        String CODEC(ZSTD(1)),
  identity       LowCardinality(String),
  account        LowCardinality(String),
  task           String CODEC(ZSTD(1)),
  target         LowCardinality(String),
  grant_id       String CODEC(ZSTD(1)),
  client_address String CODEC(ZSTD(1)),
  ruling         LowCardinality(String),
  operations     Array(LowCardinality(String)),
  resources      Array(String),
  chains         Array(String),
  rows           UInt64,
  bytes          UInt64,
  duration_us    UInt64,
  data           String CODEC(ZSTD(3)),
  event          String DEFAULT concat('{"id":', toJSONString(id), ',"source":', toJSONString(source), ',"type":', toJSONString(type), ',"session":', toJSONString(session), ',"command":', toJSONString(command), ',"identity":', toJSONString(identity), ',"account":', toJSONString(account), ',"task":', toJSONString(task), ',"target":', toJSONString(target), ',"grantid":', toJSONString(grant_id), ',"clientaddress":', toJSONString(client_address), ',"data":', data, '}') CODEC(ZSTD(1)),
  delete_on      Date DEFAULT toDate(65535) CODEC(ZSTD(1)),
  INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 4,
  INDEX by_time at TYPE minmax GRANULARITY 1,
  INDEX by_type type TYPE set(100) GRANULARITY 1,
  INDEX by_ruling ruling TYPE set(10) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY position
TTL delete_on
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 128, min_compress_block_size = 16384
--
-- Which positions a reader's question touches: one row per (axis, value, event). Axes: identity, account, target,
-- session, task, command, grant, resource (with the table a column belongs to), chain, approval, key, output (the id of
-- what a correlator says: its replicas say it too).
CREATE TABLE IF NOT EXISTS axes
(
  axis     LowCardinality(String),
  value    String CODEC(ZSTD(1)),
  position String CODEC(ZSTD(1)),
  delete_on Date DEFAULT toDate(65535) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (axis, value, position)
TTL delete_on
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 1024
--
-- The commands that are steps of a chain: they ran before anybody knew that they were.
CREATE TABLE IF NOT EXISTS chain_commands
(
  chain   String CODEC(ZSTD(1)),
  command String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (chain, command)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
--
-- Names of identities, for people to read; the newest counts.
CREATE TABLE IF NOT EXISTS identities
(
  identity String,
  name     String,
  kind     LowCardinality(String),
  at       DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY identity
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
--
-- Clear text, by session, so that it can be deleted when the session's key is erased. Old parts leave the disk at once.
CREATE TABLE IF NOT EXISTS texts
(
  session    String,
  position   String CODEC(LZ4),
  text       String CODEC(ZSTD(3)),
  parameters Nullable(String) CODEC(ZSTD(3)),
  delete_on  Date DEFAULT toDate(65535) CODEC(ZSTD(1)),
  INDEX words lowerUTF8(text) TYPE ngrambf_v1(3, 8192, 3, 0) GRANULARITY 4
)
ENGINE = ReplacingMergeTree
ORDER BY (session, position)
TTL delete_on
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 128, min_compress_block_size = 16384, old_parts_lifetime = 1, min_compressed_bytes_to_fsync_after_merge = 1
--
-- How far the projector has read, where that is further than its last row (records that make no row).
CREATE TABLE IF NOT EXISTS progress
(
  one      UInt8,
  position SimpleAggregateFunction(max, String)
)
ENGINE = AggregatingMergeTree
ORDER BY one
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
