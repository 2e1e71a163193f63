import { addresses, address, optionalPeer } from '../address-kinds.ts'
import { verifyCertificate } from '../certificate.ts'
import { boolean, duration, integer, optionalTextMap, text, textListMap, texts } from '../kinds.ts'
import { peerOfPrivateKey } from '../private-key.ts'
import { defineSection, type Rule, type Section } from '../section.ts'
import { privateKey } from '../value-kinds.ts'

/** Fewest bytes that headers may be allowed. */
const minHeaderBytes = 4096

function httpFields (name: string, port: number) {
  return {
    httpListenMultiaddress: addresses({
      initial: [`/ip4/127.0.0.1/tcp/${port}`], empty: 'keeps', refusal: `error parsing ${name}.http_listen_multiaddress`, describe: 'Where the API listens; `/unix/…` is allowed.',
    }),
    sslCertFile: text({ initial: '', omit: 'when empty', describe: 'Certificate for HTTPS (PEM), relative to the folder.' }),
    sslKeyFile: text({ initial: '', omit: 'when empty', describe: 'Its private key (PEM), relative to the folder.' }),
    readTimeoutMs: duration({ initial: '0s', describe: 'Time for a whole request to arrive; 0: no limit.' }),
    readHeaderTimeoutMs: duration({ initial: '5s', describe: 'Time for its headers to arrive; 0: no limit.' }),
    writeTimeoutMs: duration({ initial: '0s', describe: 'Time for the answer; 0: no limit.' }),
    idleTimeoutMs: duration({ initial: '2m', describe: 'Time that a connection may be unused; 0: no limit.' }),
    maxHeaderBytes: integer({ initial: minHeaderBytes, zero: 'keeps', describe: 'Most bytes of a request\'s headers.' }),
    libp2pListenMultiaddress: addresses({
      initial: [], empty: 'keeps', omit: 'when empty', refusal: `error parsing ${name}.libp2p_listen_multiaddress`, describe: 'Also serve the API over a libp2p host of its own, listening here. Not in this version yet.',
    }),
    id: optionalPeer({ refusal: `error parsing ${name}.ID`, describe: 'The peer ID of that host.' }),
    privateKey: privateKey({ describe: 'The private key of that host.' }),
    basicAuthCredentials: optionalTextMap({ hidden: true, describe: 'Passwords by user; null: no authentication.' }),
    httpLogFile: text({ initial: '', describe: 'File for the log of requests, relative to the folder; empty: the peer\'s log.' }),
    headers: textListMap({ describe: 'Headers added to every answer.' }),
    corsAllowedOrigins: texts({ initial: ['*'], describe: 'CORS: origins that may ask.' }),
    corsAllowedMethods: texts({ initial: ['GET'], describe: 'CORS: methods that they may use.' }),
    corsAllowedHeaders: texts({ initial: [], describe: 'CORS: headers that they may send.' }),
    corsExposedHeaders: texts({ initial: ['Content-Type', 'X-Stream-Output', 'X-Chunked-Output', 'X-Content-Length'], describe: 'CORS: headers that they may read.' }),
    corsAllowCredentials: boolean({ initial: true, describe: 'CORS: they may send credentials.' }),
    corsMaxAgeMs: duration({ initial: '0s', describe: 'CORS: how long a browser may remember the answer.' }),
  } as const
}

export type HttpFields = ReturnType<typeof httpFields>

/** The REST API and the pinning service API have the same keys. */
function httpSection (name: string, port: number, describe: string): Section<HttpFields> {
  const allOfLibp2p = 'all of id, private_key and libp2p_listen_multiaddress, or none'
  return defineSection(`api.${name}`, {
    describe,
    environment: `CLUSTER_${name.toUpperCase()}`,
    fields: httpFields(name, port),
    rules: ({ notNegative }) => [
      notNegative('read_timeout', v => v.readTimeoutMs, `${name}.read_timeout is invalid`),
      notNegative('read_header_timeout', v => v.readHeaderTimeoutMs, `${name}.read_header_timeout is invalid`),
      notNegative('write_timeout', v => v.writeTimeoutMs, `${name}.write_timeout is invalid`),
      notNegative('idle_timeout', v => v.idleTimeoutMs, `${name}.idle_timeout invalid`),
      headerBytes(v => v.maxHeaderBytes, `${name}.max_header_bytes must be not less then ${minHeaderBytes}`),
      {
        key: 'basic_auth_credentials',
        allowed: 'null, or at least one user with password',
        holds: v => v.basicAuthCredentials === undefined || Object.keys(v.basicAuthCredentials).length > 0,
        message: `${name}.basic_auth_creds should be null or have at least one entry`,
      },
      notNegative('cors_max_age', v => v.corsMaxAgeMs, `${name}.cors_max_age is invalid`),
      {
        key: 'libp2p_listen_multiaddress',
        allowed: allOfLibp2p,
        holds: v => new Set([v.id !== undefined, v.privateKey !== undefined, v.libp2pListenMultiaddress.length > 0]).size === 1,
        message: 'all ID, private_key and libp2p_listen_multiaddress should be set',
      },
      {
        key: 'id',
        allowed: 'the ID that belongs to private_key',
        holds: v => v.privateKey === undefined || peerOfPrivateKey(v.privateKey) === v.id,
        message: `${name}.ID does not match private_key`,
      },
    ],
    verify: (v, place) => verifyCertificate(v.sslCertFile, v.sslKeyFile, place),
  })
}

function headerBytes<V> (value: (values: V) => number, message: string): Rule<V> {
  return { key: 'max_header_bytes', allowed: `${minHeaderBytes} or more`, holds: v => value(v) >= minHeaderBytes, message }
}

export const restapi = httpSection('restapi', 9094, 'The REST API, for `ipfs-cluster-ctl` and programs. Not served when the section is absent.')
export const pinsvcapi = httpSection('pinsvcapi', 9097, 'The pinning service API, for `ipfs pin remote`. Not in this version yet.')

export const ipfsproxy = defineSection('api.ipfsproxy', {
  describe: 'A stand-in for the IPFS node\'s RPC that pins to the whole cluster. Not in this version yet.',
  environment: 'CLUSTER_IPFSPROXY',
  fields: {
    listenMultiaddress: addresses({ initial: ['/ip4/127.0.0.1/tcp/9095'], empty: 'keeps', refusal: 'error parsing proxy listen_multiaddress', describe: 'Where the proxy listens.' }),
    nodeMultiaddress: address({ initial: '/ip4/127.0.0.1/tcp/5001', empty: 'keeps', refusal: 'error parsing ipfs node_multiaddress', describe: 'The RPC of the IPFS node behind it.' }),
    nodeHttps: boolean({ initial: false, omit: 'when empty', describe: 'Speak HTTPS to that node.' }),
    logFile: text({ initial: '', empty: 'keeps', describe: 'File for the log of requests, relative to the folder; empty: the peer\'s log.' }),
    readTimeoutMs: duration({ initial: '0s', describe: 'Time for a whole request to arrive; 0: no limit.' }),
    readHeaderTimeoutMs: duration({ initial: '5s', describe: 'Time for its headers to arrive; 0: no limit.' }),
    writeTimeoutMs: duration({ initial: '0s', describe: 'Time for the answer; 0: no limit.' }),
    idleTimeoutMs: duration({ initial: '1m', describe: 'Time that a connection may be unused; 0: no limit.' }),
    maxHeaderBytes: integer({ initial: minHeaderBytes, zero: 'keeps', describe: 'Most bytes of a request\'s headers.' }),
    extractHeadersExtra: texts({ initial: [], empty: 'keeps', omit: 'when empty', describe: 'More headers of the IPFS node\'s answers to pass on.' }),
    extractHeadersPath: text({ initial: '/api/v0/version', empty: 'keeps', omit: 'when initial', describe: 'Where the node is asked for them.' }),
    extractHeadersTtlMs: duration({ initial: '5m', omit: 'when initial', refusedAs: 'ipfsproxy.extract_header_ttl', describe: 'How long they are remembered; 0: for ever.' }),
  },
  reports: 'last',
  rules: ({ notNegative }) => [
    notNegative('read_timeout', v => v.readTimeoutMs, 'ipfsproxy.read_timeout is invalid'),
    notNegative('read_header_timeout', v => v.readHeaderTimeoutMs, 'ipfsproxy.read_header_timeout is invalid'),
    notNegative('write_timeout', v => v.writeTimeoutMs, 'ipfsproxy.write_timeout is invalid'),
    notNegative('idle_timeout', v => v.idleTimeoutMs, 'ipfsproxy.idle_timeout invalid'),
    notNegative('extract_headers_ttl', v => v.extractHeadersTtlMs, 'ipfsproxy.extract_headers_ttl is invalid'),
    headerBytes(v => v.maxHeaderBytes, `ipfsproxy.max_header_size must be greater or equal to ${minHeaderBytes}`),
  ],
})
