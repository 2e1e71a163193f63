import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { documentConfiguration } from './document.ts'

test('docs/configuration.md is up to date (scripts/document-configuration.ts writes it)', () => {
  assert.equal(documentConfiguration(), readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8'))
})
