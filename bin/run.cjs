'use strict'
// Starts a command under a Node.js that can run it: 24 or newer, which strips types. When the
// running one is older ("node bin/…" by hand), the platform package's program takes over as a
// child that gets every signal and gives its exit code.
const { existsSync } = require('node:fs')
const { join } = require('node:path')
const { pathToFileURL } = require('node:url')

const neededMajor = 24
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH']

exports.run = command => {
  if (Number(process.versions.node.split('.')[0]) < neededMajor) return runInChild()
  const { enableCompileCache, constants } = require('node:module')
  if (constants !== undefined) enableCompileCache()
  const root = join(__dirname, '..')
  const built = join(root, 'dist', 'cli', command, 'main.js')
  // A checkout has the sources; a published package only what prepack made of them.
  const source = join(root, 'src', 'cli', command, 'main.ts')
  const main = existsSync(source) ? source : built
  import(pathToFileURL(main).href).then(module => module.main(), error => {
    console.error(error)
    process.exitCode = 1
  })
}

function runInChild () {
  const node = findNode()
  if (node === undefined) {
    console.error(`error: Node.js ${neededMajor} or newer is needed, this is ${process.versions.node}: run "npm install" in ${join(__dirname, '..')}`)
    process.exitCode = 1
    return
  }
  const { spawn } = require('node:child_process')
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' })
  for (const signal of signals) {
    process.on(signal, () => { child.kill(signal) })
  }
  child.on('error', error => {
    console.error(`error: ${node} could not be started: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

function findNode () {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  const program = process.platform === 'win32' ? 'node.exe' : 'node'
  const places = [process.env.FLOTILLA_NODE]
  for (const folder of [name, `node-bin-${process.platform}-${process.arch}`]) {
    places.push(join(__dirname, '..', 'node_modules', folder, 'bin', program), join(__dirname, '..', '..', folder, 'bin', program))
  }
  return places.find(place => place !== undefined && place !== '' && existsSync(place))
}
