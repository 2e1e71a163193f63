/** What libp2p's part for port mapping finds routers with. */
export interface RouterSearch { findGateways (options?: object): AsyncGenerator<{ readonly id: string, readonly family: string }> }

/** A network has one router, or two, each with both versions of IP. */
const maxRouters = 8

/**
 * Ends a search for routers when too many were found: anybody in the local network can answer it
 * as often as he likes, and each router is kept for good and asked again and again.
 */
export function limitRouters (search: RouterSearch): void {
  const find = search.findGateways.bind(search)
  const known = new Set<string>()
  search.findGateways = async function * (options) {
    for await (const router of find(options)) {
      const name = `${router.family} ${router.id}`
      if (!known.has(name) && known.size >= maxRouters) return
      known.add(name)
      yield router
    }
  }
}
