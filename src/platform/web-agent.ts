import type { AgentOptions } from 'node:https'

export interface WebAgentOptions {
  readonly isHttps: boolean
  /** Undefined for a socket of this machine. */
  readonly host: string | undefined
  readonly verifyCertificates: boolean
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY count, except for loopback hosts. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** How requests leave this machine, as in the reference: through the environment's proxies, with the machine's certificates. */
export async function webAgentOptions ({ isHttps, host, verifyCertificates, environment }: WebAgentOptions): Promise<AgentOptions> {
  const isLocal = host === undefined || isLoopback(host)
  return { ...isLocal ? {} : { proxyEnv: environment }, ...isHttps && verifyCertificates ? { ca: await trustedCertificates() } : {} }
}

export function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.')
}

/** Those of the machine, as the reference trusts (SSL_CERT_FILE names others), and those of Node where the machine has none. */
async function trustedCertificates (): Promise<string[]> {
  const { getCACertificates } = await import('node:tls')
  const system = getCACertificates('system')
  return system.length > 0 ? [...system, ...getCACertificates('extra')] : getCACertificates('default')
}
