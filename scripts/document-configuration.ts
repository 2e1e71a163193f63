/** Writes docs/configuration.md from the tables of the sections. */
import { writeFileSync } from 'node:fs'
import { documentConfiguration } from '../src/config/document.ts'

writeFileSync(new URL('../docs/configuration.md', import.meta.url), documentConfiguration())
