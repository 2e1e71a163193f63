import { hostFromMultiaddress, isPeerAddress, type ApiHost } from '../../client/host.ts'
import type { Client } from '../../client/client.ts'
import type { RequestObserver } from '../../client/requester.ts'
import { errorText } from '../../domain/errors.ts'
import { parseMultiaddress } from '../../domain/multiaddress.ts'
import { CommandError, type Call } from '../command-line/command.ts'
import { Log } from './log.ts'
import { checkHex } from './hex.ts'

/** What the commands of `ipfs-cluster-ctl` work with. */
export interface Connection {
  readonly encoding: Encoding
  /** The client for the hosts that the flags name. Nothing is opened before the first call. */
  client (): Promise<Client>
}

export type Encoding = 'text' | 'json'

/**
 * Reads the global flags (spec/cli.md 2.1).
 * @throws CommandError with the texts of the contract
 */
export function connectionFromFlags ({ globals, terminal }: Call<undefined>): Connection {
  const log = new Log(terminal.stderr, globals.boolean('debug'))
  log.debug('cluster-ctl', 'debug level enabled')
  doing('parsing secret', () => { checkHex(globals.text('secret')) })
  const credentials = parseCredentials(globals.text('basic-auth'))
  let https = globals.boolean('https')
  if (credentials !== undefined && !https && !globals.boolean('force-http')) {
    log.warn('cluster-ctl', 'SSL automatically enabled with basic auth credentials. Set "force-http" to disable')
    https = true
  }
  const encoding = globals.text('encoding')
  if (encoding !== 'text' && encoding !== 'json') throw new CommandError('', 'unsupported encoding')
  const addresses = doing('parsing host multiaddress', () => globals.text('host').split(',').map(parseMultiaddress))
  for (const address of addresses.filter(isPeerAddress)) {
    if (globals.boolean('https')) log.warn('cluster-ctl', `Using libp2p-http for ${address}. The https flag will be ignored for this connection`)
  }
  let client: Promise<Client> | undefined
  const connect = async (): Promise<Client> => {
    const hosts = await resolveHosts(addresses, https)
    const [{ Client }, { NodeHttpTransport }] = await Promise.all([import('../../client/client.ts'), import('./http-transport.ts')])
    return new Client({
      transport: new NodeHttpTransport({ verifyCertificates: !globals.boolean('no-check-certificate'), environment: terminal.environment }),
      hosts,
      credentials,
      timeoutMs: globals.integer('timeout') * 1000,
      observer: observer(log),
    })
  }
  return { encoding, client: () => client ??= connect() }
}

function doing<T> (what: string, step: () => T): T {
  try {
    return step()
  } catch (error) {
    throw new CommandError(what, error)
  }
}

/** `user[:password]`, divided at the first colon. */
function parseCredentials (text: string): { username: string, password: string } | undefined {
  const colon = text.indexOf(':')
  const username = colon < 0 ? text : text.slice(0, colon)
  return username === '' ? undefined : { username, password: colon < 0 ? '' : text.slice(colon + 1) }
}

/** Names become one host per address, so that each is tried in turn; https needs the name for the certificate. */
async function resolveHosts (addresses: readonly string[], https: boolean): Promise<ApiHost[]> {
  const hosts: ApiHost[] = []
  for (const address of addresses) {
    const isName = /^\/dns[46]?\//.test(address) && !isPeerAddress(address)
    const resolved = isName && !https ? await resolveName(address) : [address]
    hosts.push(...resolved.map(text => doing('creating API client', () => hostFromMultiaddress(text, { https }))))
  }
  return hosts
}

async function resolveName (address: string): Promise<string[]> {
  const [, protocol, name, ...rest] = address.split('/')
  const { lookup } = await import('node:dns/promises')
  try {
    const found = await lookup(name as string, { all: true, family: protocol === 'dns4' ? 4 : protocol === 'dns6' ? 6 : 0 })
    return found.map(({ address, family }) => [`/ip${family}/${address}`, ...rest].join('/'))
  } catch (error) {
    const notFound = error instanceof Error && 'code' in error && (error.code === 'ENOTFOUND' || error.code === 'ENODATA')
    throw new CommandError('creating configs', `lookup ${name}: ${notFound ? 'no such host' : errorText(error)}`)
  }
}

function observer (log: Log): RequestObserver {
  return {
    attempt: number => { log.debug('apiclient', `retrying ${number} times`) },
    request: (method, url) => { log.debug('apiclient', `${method}: ${url}`) },
    answer: body => { log.debug('apiclient', `Response body: ${body.trimEnd()}`) },
    gaveUp: attempts => { log.error('apiclient', `reached maximum number of retries without success, retries: ${attempts}`) },
  }
}
