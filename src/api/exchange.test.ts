import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { systemClock } from '../platform/clock.ts'
import { Exchange, type ExchangeContext } from './exchange.ts'

function exchangeOn (response: EventEmitter & { destroyed: boolean }): Exchange {
  return new Exchange({ url: '/pins' } as IncomingMessage, response as unknown as ServerResponse, { clock: systemClock } as ExchangeContext)
}

test('a signal that is asked for late is aborted when the request was cancelled before', () => {
  const waiting = exchangeOn(Object.assign(new EventEmitter(), { destroyed: false }))
  waiting.cancel('the peer stops')
  assert.match(String(waiting.signal.reason), /the peer stops/)

  const response = Object.assign(new EventEmitter(), { destroyed: false })
  const left = exchangeOn(response)
  response.destroyed = true
  assert.match(String(left.signal.reason), /the client went away/)
})

test('a signal is aborted when the client goes away, and not before', () => {
  const response = Object.assign(new EventEmitter(), { destroyed: false, writableFinished: false })
  const { signal } = exchangeOn(response)
  assert.equal(signal.aborted, false)
  response.emit('close')
  assert.equal(signal.aborted, true)
})
