'use strict'
// Runs a TypeScript file under a Node.js that strips types (24 or newer): the running one, or
// the one that the platform package brought.
const { existsSync } = require('node:fs')
const { join } = require('node:path')
const { spawnSync } = require('node:child_process')

const isNewEnough = Number(process.versions.node.split('.')[0]) >= 24
const platform = process.platform === 'win32' ? 'win' : process.platform
const packaged = join(__dirname, '..', 'node_modules', `node-${platform}-${process.arch}`, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
if (!isNewEnough && !existsSync(packaged)) {
  console.error(`error: Node.js 24 or newer is needed, this is ${process.versions.node}, and no platform package brings one for ${process.platform}-${process.arch}`)
  process.exit(1)
}
const result = spawnSync(isNewEnough ? process.execPath : packaged, process.argv.slice(2), { stdio: 'inherit' })
process.exit(result.status ?? 1)
