import type { ComponentLogger, Logger } from '@libp2p/interface'

/**
 * libp2p's own log lines are written for its developers and cost time even when nobody reads
 * them. What an operator should know is logged by this folder in its own words.
 */
export const silentLibp2pLogger: ComponentLogger = { forComponent: () => logger }

const nothing = (): void => {}
const logger: Logger = Object.assign(nothing, { error: nothing, trace: nothing, enabled: false, newScope: () => logger })
