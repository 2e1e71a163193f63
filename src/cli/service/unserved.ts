import type { Configuration } from '../../config/configuration.ts'

/** What service.json asks for and this version does not have, by its place in the file: clients of it find nothing there. */
export function unservedParts ({ loaded, api: { restapi } }: Configuration): string[] {
  const sections = ['api.ipfsproxy', 'api.pinsvcapi'].filter(name => loaded.has(name))
  return loaded.has('api.restapi') && restapi.libp2pListenMultiaddress.length > 0 ? [...sections, 'api.restapi.libp2p_listen_multiaddress'] : sections
}
