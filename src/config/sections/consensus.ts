import { formatDuration } from '../../codec/duration.ts'
import { peersOrWarning, trustedPeers } from '../address-kinds.ts'
import { count, duration, group, integer, text } from '../kinds.ts'
import { defineSection, type Rule } from '../section.ts'
import { keyPrefix } from '../value-kinds.ts'

export const crdt = defineSection('consensus.crdt', {
  describe: 'The pinset as a replicated set: peers come and go, every trusted peer may write. Exactly one of `consensus.crdt` and `consensus.raft` is there.',
  environment: 'CLUSTER_CRDT',
  fields: {
    clusterName: text({ initial: 'ipfs-cluster', empty: 'keeps', describe: 'The gossip topic; all peers of a cluster have the same.' }),
    trustedPeers: trustedPeers({ refusal: 'error parsing trusted peers', describe: 'Peers whose changes count. Empty: this peer alone.' }),
    batching: group({
      describe: 'Put several pins into one change of the replicated set. On when both size and age are above 0.',
      fields: {
        maxBatchSize: integer({ initial: 0, describe: 'A batch is sent when it has so many pins.' }),
        maxBatchAgeMs: duration({ initial: '0s', wrong: 'warns', describe: 'A batch is sent when its first pin is this old.' }),
        maxQueueSize: integer({ initial: 50_000, zero: 'keeps', omit: 'when initial', describe: 'Pins that may wait for their batch.' }),
      },
    }),
    repairIntervalMs: duration({ initial: '1h', wrong: 'warns', describe: 'How often missing parts of the set are looked for; 0 switches this off.' }),
    rebroadcastIntervalMs: duration({ initial: '1m', wrong: 'warns', omit: 'when initial', describe: 'How often the newest changes are told again when nothing happens.' }),
    peersetMetric: text({ initial: 'ping', empty: 'keeps', omit: 'when initial', describe: 'Peers with this metric are the members.' }),
    datastoreNamespace: keyPrefix({ initial: '/c', omit: 'when initial', describe: 'Prefix of the keys in the datastore.' }),
  },
  rules: ({ positive, notNegative }) => [
    positive('rebroadcast_interval', v => v.rebroadcastIntervalMs, 'crdt.rebroadcast_interval is invalid'),
    positive('batching.max_queue_size', v => v.batching.maxQueueSize, 'crdt.batching.max_queue_size is invalid'),
    notNegative('repair_interval', v => v.repairIntervalMs, 'crdt.repair_interval is invalid'),
  ],
})

/** Raft's durations: what cannot be read, and 0, leave the value as it is, with a warning. */
function raftDuration (initial: string, describe: string): ReturnType<typeof duration> {
  return duration({ initial, describe, wrong: 'warns', zero: 'warns' })
}

const atLeast = <V> (key: string, ms: number, value: (values: V) => number, message: string): Rule<V> =>
  ({ key, allowed: `${formatDuration(ms)} or more`, holds: v => value(v) >= ms, message })

export const raft = defineSection('consensus.raft', {
  describe: 'The pinset as a replicated log with an elected leader: a fixed set of peers, all of them trusted. Not in this version yet.',
  environment: 'CLUSTER_RAFT',
  fields: {
    dataFolder: text({ initial: '', empty: 'keeps', omit: 'when empty', describe: 'Folder of the log; empty: `raft` in the configuration folder. Used as it is given.' }),
    initPeerset: peersOrWarning({ describe: 'Peers of a cluster that starts for the first time.' }),
    waitForLeaderTimeoutMs: raftDuration('15s', 'Time to wait for a leader.'),
    networkTimeoutMs: raftDuration('10s', 'Time that a message between peers may take.'),
    commitRetries: integer({ initial: 1, describe: 'How often a failed change is tried again.' }),
    commitRetryDelayMs: raftDuration('200ms', 'Pause before that.'),
    backupsRotate: integer({ initial: 6, zero: 'keeps', describe: 'How many old data folders are kept.' }),
    datastoreNamespace: keyPrefix({ initial: '/r', omit: 'when initial', describe: 'Prefix of the keys in the datastore.' }),
    heartbeatTimeoutMs: raftDuration('1s', 'A follower that hears nothing for this long asks for an election.'),
    electionTimeoutMs: raftDuration('1s', 'An election without a result is repeated after this.'),
    commitTimeoutMs: raftDuration('50ms', 'A leader with nothing to say says so after this.'),
    maxAppendEntries: integer({ initial: 64, zero: 'keeps', describe: 'Log entries in one message.' }),
    trailingLogs: count({ initial: 10_240, zero: 'keeps', describe: 'Log entries kept behind a snapshot.' }),
    snapshotIntervalMs: raftDuration('2m', 'How often it is checked whether a snapshot is due.'),
    snapshotThreshold: count({ initial: 8192, zero: 'keeps', describe: 'Log entries that make a snapshot due.' }),
    leaderLeaseTimeoutMs: raftDuration('500ms', 'A leader that hears from no majority for this long steps down.'),
  },
  rules: ({ positive, notNegative }) => [
    positive('wait_for_leader_timeout', v => v.waitForLeaderTimeoutMs, 'wait_for_leader_timeout <= 0'),
    positive('network_timeout', v => v.networkTimeoutMs, 'network_timeout <= 0'),
    notNegative('commit_retries', v => v.commitRetries, 'commit_retries is invalid'),
    positive('commit_retry_delay', v => v.commitRetryDelayMs, 'commit_retry_delay is invalid'),
    positive('backups_rotate', v => v.backupsRotate, 'backups_rotate should be larger than 0'),
    atLeast('heartbeat_timeout', 5, v => v.heartbeatTimeoutMs, 'HeartbeatTimeout is too low'),
    atLeast('election_timeout', 5, v => v.electionTimeoutMs, 'ElectionTimeout is too low'),
    atLeast('commit_timeout', 1, v => v.commitTimeoutMs, 'CommitTimeout is too low'),
    positive('max_append_entries', v => v.maxAppendEntries, 'MaxAppendEntries must be positive'),
    { key: 'max_append_entries', allowed: 'at most 1024', holds: v => v.maxAppendEntries <= 1024, message: 'MaxAppendEntries is too large' },
    atLeast('snapshot_interval', 5, v => v.snapshotIntervalMs, 'SnapshotInterval is too low'),
    atLeast('leader_lease_timeout', 5, v => v.leaderLeaseTimeoutMs, 'LeaderLeaseTimeout is too low'),
    {
      key: 'leader_lease_timeout',
      allowed: 'at most heartbeat_timeout',
      holds: v => v.leaderLeaseTimeoutMs <= v.heartbeatTimeoutMs,
      message: v => `LeaderLeaseTimeout (${formatDuration(v.leaderLeaseTimeoutMs)}) cannot be larger than heartbeat timeout (${formatDuration(v.heartbeatTimeoutMs)})`,
    },
    {
      key: 'election_timeout',
      allowed: 'at least heartbeat_timeout',
      holds: v => v.electionTimeoutMs >= v.heartbeatTimeoutMs,
      message: v => `ElectionTimeout (${formatDuration(v.electionTimeoutMs)}) must be equal or greater than Heartbeat Timeout (${formatDuration(v.heartbeatTimeoutMs)})`,
    },
  ],
})
