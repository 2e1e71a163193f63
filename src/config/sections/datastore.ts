import type { Field, Fields } from '../field.ts'
import { boolean, decimal, duration, group, integer, makeField, text, type FieldOptions } from '../kinds.ts'
import { defineSection, type Rule } from '../section.ts'

/*
 * The stores of the Go program, so that its files are accepted and written as they are. Whichever
 * is chosen, the pinset lives in LevelDB, in a folder `leveldb` unless the section `leveldb` names
 * another. Options that tune the Go program's store are checked for their type, kept, and have no
 * effect.
 */

type OptionValue = boolean | number | string | null | readonly object[]

const noEffect = 'Tunes the Go program\'s store; kept, without effect here.'

/** Options by their JSON keys, typed by their initial values. `null` and lists stand for lists. */
function storeOptions (initial: Readonly<Record<string, OptionValue>>): Field<Readonly<Record<string, unknown>>> {
  const fields: Fields = Object.fromEntries(Object.entries(initial).map(([key, value]) => [key, storeOption(value, { key, describe: noEffect })]))
  return group({ describe: noEffect, absent: 'keeps', isOneInDocument: true, fields }) as Field<Readonly<Record<string, unknown>>>
}

/** Options that may have a fraction. */
const decimalOptions = new Set(['bloom_false_positive', 'compaction_table_size_multiplier', 'compaction_total_size_multiplier', 'v_log_percentile'])

function storeOption (initial: OptionValue, options: FieldOptions & { readonly key: string }): Field {
  switch (typeof initial) {
    case 'boolean': return boolean({ ...options, initial })
    case 'number': return decimalOptions.has(options.key) ? decimal({ ...options, initial }) : integer({ ...options, initial })
    case 'string': return text({ ...options, initial })
    default: return optionList({ ...options, initial })
  }
}

function optionList (options: FieldOptions & { readonly initial: readonly object[] | null }): Field<readonly unknown[] | null> {
  return makeField<readonly unknown[] | null>(options, {
    form: 'list, or null',
    jsonSchema: { type: ['array', 'null'] },
    variable: undefined,
    initial: () => options.initial,
    parse (json, _fallback, place) {
      if (json === undefined) return null
      if (!Array.isArray(json)) throw place.wrongType(json, 'a list')
      return json as unknown[]
    },
    toJson: value => value,
  })
}

function folderField (name: string): Field<string> {
  const place = `relative to the configuration folder; absent: \`${name}\`.`
  const describe = name === 'leveldb' ? `Folder of the store, ${place}` : `Folder of the Go program's store, ${place} With pins in it, and none of ours that were used later, the peer does not start.`
  return text({ initial: name, empty: 'keeps', omit: 'when initial', describe })
}

function collectionFields () {
  return {
    gcDiscardRatio: decimal({ initial: 0.2, zero: 'keeps', describe: noEffect }),
    gcIntervalMs: duration({ initial: '15m', refusedAs: 'badger.gc_interval', describe: noEffect }),
    gcSleepMs: duration({ initial: '10s', refusedAs: 'badger.gc_sleep', describe: noEffect }),
  } as const
}

const discardRatio: Rule<{ readonly gcDiscardRatio: number }> = {
  key: 'gc_discard_ratio',
  allowed: 'more than 0 and less than 1',
  holds: v => v.gcDiscardRatio > 0 && v.gcDiscardRatio < 1,
  message: 'gc_discard_ratio must be more than 0 and less than 1',
}

const MiB = 2 ** 20

/** Pebble doubles the size of the files from level to level. */
const pebbleLevels = Array.from({ length: 7 }, (_, level) => ({
  block_restart_interval: 16, block_size: 4096, block_size_threshold: 90, compression: 1, filter_type: 0, filter_policy: 10, index_block_size: 4096, target_file_size: 4 * MiB * 2 ** level,
}))

export const pebble = defineSection('datastore.pebble', {
  describe: 'The pinset of a CRDT peer; what `init` writes by default. Exactly one datastore section is there. The pinset lies in LevelDB in the folder `leveldb`, whichever section is chosen.',
  environment: 'CLUSTER_PEBBLE',
  fields: {
    folder: folderField('pebble'),
    pebbleOptions: storeOptions({
      cache_size_bytes: 1024 * MiB,
      bytes_per_sync: MiB,
      disable_wal: false,
      flush_delay_delete_range: 0,
      flush_delay_range_key: 0,
      flush_split_bytes: 4 * MiB,
      format_major_version: 24,
      l0_compaction_file_threshold: 750,
      l0_compaction_threshold: 4,
      l0_stop_writes_threshold: 12,
      l_base_max_bytes: 128 * MiB,
      max_open_files: 1000,
      mem_table_size: 64 * MiB,
      mem_table_stop_writes_threshold: 20,
      read_only: false,
      wal_bytes_per_sync: 0,
      levels: pebbleLevels,
    }),
  },
})

export const badger = defineSection('datastore.badger', {
  describe: 'As `datastore.pebble`.',
  environment: 'CLUSTER_BADGER',
  fields: {
    folder: folderField('badger'),
    ...collectionFields(),
    badgerOptions: storeOptions({
      dir: '',
      value_dir: '',
      sync_writes: true,
      table_loading_mode: 2,
      value_log_loading_mode: 0,
      num_versions_to_keep: 1,
      max_table_size: 16 * MiB,
      level_size_multiplier: 10,
      max_levels: 7,
      value_threshold: 32,
      num_memtables: 5,
      num_level_zero_tables: 5,
      num_level_zero_tables_stall: 10,
      level_one_size: 256 * MiB,
      value_log_file_size: 1024 * MiB - 1,
      value_log_max_entries: 1_000_000,
      num_compactors: 2,
      compact_l_0_on_close: false,
      read_only: false,
      truncate: true,
    }),
  },
  rules: () => [discardRatio],
})

export const badger3 = defineSection('datastore.badger3', {
  describe: 'As `datastore.pebble`.',
  environment: 'CLUSTER_BADGER3',
  fields: {
    folder: folderField('badger3'),
    ...collectionFields(),
    badgerOptions: storeOptions({
      dir: '',
      value_dir: '',
      sync_writes: false,
      num_versions_to_keep: 1,
      read_only: false,
      compression: 0,
      in_memory: false,
      metrics_enabled: true,
      num_goroutines: 8,
      mem_table_size: 64 * MiB,
      base_table_size: 2 * MiB,
      base_level_size: 10 * MiB,
      level_size_multiplier: 10,
      table_size_multiplier: 2,
      max_levels: 7,
      v_log_percentile: 0,
      value_threshold: 100,
      num_memtables: 5,
      block_size: 4096,
      bloom_false_positive: 0.01,
      block_cache_size: 0,
      index_cache_size: 0,
      num_level_zero_tables: 5,
      num_level_zero_tables_stall: 15,
      value_log_file_size: 1024 * MiB - 1,
      value_log_max_entries: 1_000_000,
      num_compactors: 4,
      compact_l_0_on_close: false,
      lmax_compaction: false,
      zstd_compression_level: 1,
      verify_value_checksum: false,
      checksum_verification_mode: 0,
      detect_conflicts: false,
      namespace_offset: -1,
    }),
  },
  rules: () => [discardRatio],
})

export const leveldb = defineSection('datastore.leveldb', {
  describe: 'As `datastore.pebble`; a folder that the Go program wrote is read as it is.',
  environment: 'CLUSTER_LEVELDB',
  fields: {
    folder: folderField('leveldb'),
    leveldbOptions: storeOptions({
      block_cache_capacity: 0,
      block_cache_evict_removed: false,
      block_restart_interval: 0,
      block_size: 0,
      compaction_expand_limit_factor: 0,
      compaction_gp_overlaps_factor: 0,
      compaction_l0_trigger: 0,
      compaction_source_limit_factor: 0,
      compaction_table_size: 0,
      compaction_table_size_multiplier: 0,
      compaction_table_size_multiplier_per_level: null,
      compaction_total_size: 0,
      compaction_total_size_multiplier: 0,
      compaction_total_size_multiplier_per_level: null,
      compression: 0,
      disable_buffer_pool: false,
      disable_block_cache: false,
      disable_compaction_backoff: false,
      disable_large_batch_transaction: false,
      iterator_sampling_rate: 0,
      no_sync: false,
      no_write_merge: false,
      open_files_cache_capacity: 0,
      read_only: false,
      strict: 0,
      write_buffer: 0,
      write_l0_pause_trigger: 0,
      write_l0_slowdown_trigger: 0,
    }),
  },
})
