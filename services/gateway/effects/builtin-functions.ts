/**
 * PostgreSQL's own functions that are not what their volatility says. Everything immutable or stable that is not
 * listed here only computes; everything volatile that is not listed here is opaque. Checked against PostgreSQL 18.
 */

/** Volatile, but without effects: clocks, dice, sizes, what monitoring reads. */
export const harmless = words(`
  array_sample array_shuffle clock_timestamp currval gen_random_uuid lastval pg_blocking_pids pg_collation_actual_version
  pg_control_checkpoint pg_control_init pg_control_recovery pg_control_system pg_current_wal_flush_lsn
  pg_current_wal_insert_lsn pg_current_wal_lsn pg_database_collation_actual_version pg_database_size
  pg_get_wal_replay_pause_state pg_indexes_size pg_is_in_recovery pg_is_wal_replay_paused pg_jit_available
  pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_lock_status
  pg_notification_queue_usage pg_partition_ancestors pg_partition_tree pg_relation_size pg_safe_snapshot_blocking_pids
  pg_sequence_last_value pg_sleep pg_sleep_for pg_sleep_until pg_stat_have_stats pg_table_size pg_tablespace_size
  pg_total_relation_size pg_xact_commit_timestamp pg_xact_status random random_normal setseed timeofday txid_status
  uuidv4 uuidv7`);

/** Stable or immutable by declaration, but they run SQL that stands in a value, or read whole tables by name. */
export const unreadable = words(`
  cursor_to_xml cursor_to_xmlschema database_to_xml database_to_xml_and_xmlschema database_to_xmlschema query_to_xml
  query_to_xml_and_xmlschema query_to_xmlschema schema_to_xml schema_to_xml_and_xmlschema schema_to_xmlschema
  table_to_xml table_to_xml_and_xmlschema table_to_xmlschema ts_rewrite ts_stat pg_event_trigger_ddl_commands`);

/** Acts on other sessions or the whole server, at once. */
export const acts = words(`
  pg_cancel_backend pg_create_restore_point pg_log_backend_memory_contexts pg_log_standby_snapshot pg_promote
  pg_reload_conf pg_rotate_logfile pg_stat_reset pg_stat_reset_backend_stats pg_stat_reset_replication_slot
  pg_stat_reset_shared pg_stat_reset_single_function_counters pg_stat_reset_single_table_counters pg_stat_reset_slru
  pg_stat_reset_subscription_stats pg_switch_wal pg_terminate_backend pg_wal_replay_pause pg_wal_replay_resume`);

/** Locks of the session: ROLLBACK keeps them, nothing is read or written. */
export const locks = words(`
  pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared
  pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared
  pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared`);

export const largeObjectReads = words("lo_get loread");
export const largeObjectWrites = words("lo_creat lo_create lo_from_bytea lo_put lowrite");
export const largeObjectEnds = words("lo_unlink lo_truncate lo_truncate64");
/** Positions and handles of open large objects. */
export const largeObjectHandles = words("lo_open lo_close lo_lseek lo_lseek64 lo_tell lo_tell64");
export const files = words("lo_import lo_export");

/** Functions that show what a system view would: values of other sessions and tables. */
export const shownBy: ReadonlyMap<string, string> = new Map([
  ["pg_stat_get_activity", "pg_stat_activity"],
  ["pg_stat_get_backend_activity", "pg_stat_activity"],
  ["pg_prepared_statement", "pg_prepared_statements"],
  ["pg_cursor", "pg_cursors"],
  ["pg_mcv_list_items", "pg_statistic_ext_data"],
]);

/**
 * Columns of system relations that carry values of users: of tables (`everywhere`), or what sessions have sent.
 * Null = every column.
 */
export const valueColumns: ReadonlyMap<
  string,
  { readonly columns: ReadonlySet<string> | null; readonly everywhere: boolean }
> = new Map([
  ["pg_statistic", { columns: null, everywhere: true }],
  ["pg_statistic_ext_data", { columns: null, everywhere: true }],
  [
    "pg_stats",
    { columns: words("most_common_vals histogram_bounds most_common_elems range_bounds_histogram"), everywhere: true },
  ],
  ["pg_stats_ext", { columns: words("most_common_vals most_common_val_nulls"), everywhere: true }],
  ["pg_stats_ext_exprs", { columns: words("most_common_vals histogram_bounds most_common_elems"), everywhere: true }],
  ["pg_largeobject", { columns: words("data"), everywhere: false }],
  ["pg_stat_activity", { columns: words("query"), everywhere: false }],
  ["pg_stat_statements", { columns: words("query"), everywhere: false }],
  ["pg_prepared_statements", { columns: words("statement"), everywhere: false }],
  ["pg_cursors", { columns: words("statement"), everywhere: false }],
  ["pg_authid", { columns: words("rolpassword"), everywhere: false }],
  ["pg_shadow", { columns: words("passwd"), everywhere: false }],
  ["pg_user_mapping", { columns: words("umoptions"), everywhere: false }],
  ["pg_user_mappings", { columns: words("umoptions"), everywhere: false }],
  ["pg_subscription", { columns: words("subconninfo"), everywhere: false }],
]);

function words(list: string): ReadonlySet<string> {
  return new Set(list.trim().split(/\s+/));
}
