import type { ClusterOperations } from '../../cluster/operations.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import type { ApiOptions } from '../api-options.ts'
import { Authentication } from '../authentication.ts'
import { apiServer, type ApiServer } from '../server.ts'
import { restErrors } from './errors.ts'
import { restRoutes } from './routes.ts'

/** The section `api.restapi` of service.json. */
export type RestApiOptions = ApiOptions

export interface RestApiParts {
  readonly operations: ClusterOperations
  readonly options: RestApiOptions
  /** The configuration folder: files named in the options are relative to it. */
  readonly folder: string
  readonly platform: Platform
}

/** The REST API of a peer (spec/rest-api.md). */
export function restApi ({ operations, options, folder, platform }: RestApiParts): ApiServer {
  const credentials = options.basicAuthCredentials
  const authentication = credentials === undefined ? undefined : new Authentication(credentials, platform.clock)
  const routes = restRoutes(operations, authentication)
  return apiServer({ name: 'restapi', options, folder, routes, errors: restErrors, authentication, platform })
}
