'use strict'
// Runs a TypeScript file under a Node.js that strips types (24 or newer): the running one, or
// the one that the platform package brought. Passes every signal on and ends as the program ends.
const { existsSync } = require('node:fs')
const { join } = require('node:path')
const { spawn } = require('node:child_process')

const isNewEnough = Number(process.versions.node.split('.')[0]) >= 24
const platform = process.platform === 'win32' ? 'win' : process.platform
const packaged = join(__dirname, '..', 'node_modules', `node-${platform}-${process.arch}`, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
if (!isNewEnough && !existsSync(packaged)) {
  console.error(`error: Node.js 24 or newer is needed, this is ${process.versions.node}, and no platform package brings one for ${process.platform}-${process.arch}`)
  process.exit(1)
}
const child = spawn(isNewEnough ? process.execPath : packaged, process.argv.slice(2), { stdio: 'inherit' })
// Ctrl-C reaches the child by itself, as it is in the same group of the terminal; sent twice it would count as "at once".
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => { child.kill(signal) })
process.on('SIGINT', () => { if (!process.stdin.isTTY) child.kill('SIGINT') })
child.on('exit', (code, signal) => { process.exit(signal === null ? code : 1) })
