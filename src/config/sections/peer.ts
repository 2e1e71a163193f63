import { address } from '../address-kinds.ts'
import { boolean, decimal, duration, integer, oneOf, text, textMap, texts, type DurationOptions } from '../kinds.ts'
import { defineSection } from '../section.ts'

/* The smaller sections of a peer, one component each. */

/** The span for which a metric counts: absent or unreadable is 0, and 0 is refused. */
const metricTtl: Pick<DurationOptions, 'empty' | 'wrong' | 'describe'> = { empty: 'zero', wrong: 'zero', describe: 'For how long the metric counts after it was told.' }

export const stateless = defineSection('pin_tracker.stateless', {
  describe: 'What the IPFS node is asked to pin, and in which order.',
  environment: 'CLUSTER_STATELESS',
  fields: {
    maxPinQueueSize: integer({ initial: 1_000_000, zero: 'keeps', omit: 'when initial', describe: 'Pins that may wait; more fail until there is room.' }),
    concurrentPins: integer({ initial: 10, zero: 'keeps', describe: 'Pins that are worked on at once.' }),
    priorityPinMaxAgeMs: duration({ initial: '24h', describe: 'Pins younger than this go first.' }),
    priorityPinMaxRetries: integer({ initial: 5, zero: 'keeps', describe: 'Pins that failed more often than this wait behind the others.' }),
  },
  rules: ({ positive }) => [
    positive('max_pin_queue_size', v => v.maxPinQueueSize, 'statelesstracker.max_pin_queue_size too low'),
    positive('concurrent_pins', v => v.concurrentPins, 'statelesstracker.concurrent_pins is too low'),
    positive('priority_pin_max_age', v => v.priorityPinMaxAgeMs, 'statelesstracker.priority_pin_max_age is too low'),
    positive('priority_pin_max_retries', v => v.priorityPinMaxRetries, 'statelesstracker.priority_pin_max_retries is too low'),
  ],
})

export const pubsubmon = defineSection('monitor.pubsubmon', {
  describe: 'Metrics of other peers, received by gossip.',
  environment: 'CLUSTER_PUBSUBMON',
  fields: {
    checkIntervalMs: duration({ initial: '15s', empty: 'zero', wrong: 'zero', describe: 'How often metrics that ran out are looked for.' }),
  },
  rules: ({ positive }) => [positive('check_interval', v => v.checkIntervalMs, 'pubsubmon.check_interval too low')],
})

export const balanced = defineSection('allocator.balanced', {
  describe: 'Which peers get a pin. When the section is absent: those with the most free space.',
  environment: 'CLUSTER_BALANCED',
  fields: {
    allocateBy: texts({ initial: ['tag:group', 'freespace'], empty: 'keeps', describe: 'Metrics that divide the peers, the most important first; pins are spread evenly over the parts.' }),
  },
})

export const disk = defineSection('informer.disk', {
  describe: 'Tells others how much room the IPFS node has.',
  environment: 'CLUSTER_DISK',
  fields: {
    metricTtlMs: duration({ initial: '30s', ...metricTtl }),
    metricType: oneOf({ initial: 'freespace', words: ['freespace', 'reposize'], refusal: 'disk.metric_type is invalid', describe: 'Room that is free, or room that is used.' }),
  },
  rules: ({ positive }) => [positive('metric_ttl', v => v.metricTtlMs, 'disk.metric_ttl is invalid')],
})

export const pinqueue = defineSection('informer.pinqueue', {
  describe: 'Tells others how many pins wait.',
  environment: 'CLUSTER_PINQUEUE',
  fields: {
    metricTtlMs: duration({ initial: '30s', ...metricTtl }),
    weightBucketSize: integer({ initial: 100_000, describe: 'Queues are compared in steps of so many pins; 0: exactly.' }),
  },
  rules: ({ positive, notNegative }) => [
    positive('metric_ttl', v => v.metricTtlMs, 'pinqueue.metric_ttl is invalid'),
    notNegative('weight_bucket_size', v => v.weightBucketSize, 'pinqueue.WeightBucketSize is invalid'),
  ],
})

export const tags = defineSection('informer.tags', {
  describe: 'Tells others the peer\'s tags, such as its region.',
  environment: 'CLUSTER_TAGS',
  fields: {
    metricTtlMs: duration({ initial: '30s', describe: metricTtl.describe }),
    tags: textMap({ initial: { group: 'default' }, describe: 'Values by tag; `allocate_by` names them as `tag:<name>`.' }),
  },
  rules: ({ positive }) => [positive('metric_ttl', v => v.metricTtlMs, 'tags.metric_ttl is invalid')],
})

export const numpin = defineSection('informer.numpin', {
  describe: 'Tells others how many pins the pinset has, the same at all peers. Not written by `init`.',
  environment: 'CLUSTER_NUMPIN',
  fields: { metricTtlMs: duration({ initial: '10s', ...metricTtl }) },
  rules: ({ positive }) => [positive('metric_ttl', v => v.metricTtlMs, 'numpin.metric_ttl is invalid')],
})

export const metrics = defineSection('observations.metrics', {
  describe: 'Figures for Prometheus.',
  environment: 'CLUSTER_METRICS',
  fields: {
    enableStats: boolean({ initial: false, describe: 'Serve them.' }),
    prometheusEndpoint: address({ initial: '/ip4/127.0.0.1/tcp/8888', empty: 'refused', refusal: 'loadMetricsOptions: PrometheusEndpoint multiaddr', describe: 'Where.' }),
    reportingIntervalMs: duration({ initial: '30s', refusedAs: 'metrics.metrics.reporting_interval', describe: 'How often the reference computes them; here they are computed when they are asked for.' }),
  },
  rules: () => [
    { key: 'reporting_interval', allowed: '0 or more', holds: v => !v.enableStats || v.reportingIntervalMs >= 0, message: 'metrics.reporting_interval is invalid' },
  ],
})

export const tracing = defineSection('observations.tracing', {
  describe: 'Traces of operations across peers.',
  environment: 'CLUSTER_TRACING',
  fields: {
    enableTracing: boolean({ initial: false, describe: 'Record them.' }),
    jaegerAgentEndpoint: address({ initial: '/ip4/0.0.0.0/udp/6831', empty: 'refused', refusal: 'loadTracingOptions: JaegerAgentEndpoint multiaddr', describe: 'Where they are sent.' }),
    samplingProb: decimal({ initial: 0.3, describe: 'Which part of the operations, from 0 to 1.' }),
    serviceName: text({ initial: 'cluster-daemon', describe: 'The peer\'s name in the traces.' }),
  },
  rules: () => [
    { key: 'sampling_prob', allowed: '0 or more', holds: v => !v.enableTracing || v.samplingProb >= 0, message: 'tracing.sampling_prob is invalid' },
  ],
})
