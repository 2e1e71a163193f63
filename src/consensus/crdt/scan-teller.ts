import type { Logger } from '../../platform/logger.ts'

/** It is told how far the scan is after so many pins. */
const pinsPerReport = 1_000_000

/**
 * Tells an operator that indexes are made anew, and then how far that is: with a large pinset it takes
 * long, and the peer does nothing else meanwhile. The result is to be called with the pins looked at, at first with 0.
 */
export function scanTeller (logger: Logger): (pins: number) => void {
  let told = 0
  return pins => {
    if (pins === 0) logger.info('the indexes of the pinset are made anew, as another program may have changed it: the peer starts when that is done, which takes a minute or less for each million pins')
    if (pins < told + pinsPerReport) return
    told = pins
    logger.info({ pins }, 'the indexes of the pinset are being made')
  }
}
