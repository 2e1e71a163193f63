/** Steps of which one waits for the real event loop: rejections that nobody handles are told there, and memory is freed. */
const stepsPerTurn = 64

/**
 * What a virtual clock waits for between two events: all promises that can settle have settled when
 * the next tick comes. That is quicker than a turn of the event loop, in which nothing else happens here.
 */
export function quickTurns (): () => Promise<void> {
  let steps = 0
  return () => new Promise(resolve => {
    if (++steps % stepsPerTurn === 0) setImmediate(resolve)
    else process.nextTick(resolve)
  })
}
